"""The database as the three programs see it: calls as a person, as the flow, as the worker."""

import json
import uuid
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

CATALOGUE_PARAMETERS = {
    "type": "object",
    "properties": {"instances": {"type": "integer", "minimum": 1, "maximum": 6, "default": 2}},
    "required": ["instances"],
}
REQUEST = {
    "method": "POST",
    "url": "http://127.0.0.1:1/services/${name}/restart",
    "headers": {"Idempotency-Key": "${idempotency_key}", "Authorization": "Bearer ${ACTION_DEMO_TOKEN}"},
    "body": {"instances": "${instances}"},
}
VERIFY = {
    "method": "GET",
    "url": "http://127.0.0.1:1/services",
    "expect": {"status": 200, "json": {"healthy": True}},
    "within_seconds": 30,
}
ANALYSIS = {
    "root_cause": {"text": "The pool is exhausted.", "evidence": [1]},
    "impact": {"text": "Half of the requests fail.", "evidence": [1]},
    "error_clusters": [{"label": "timeout", "count": 3, "evidence": [1]}],
    "confidence_level": "HIGH",
    "confidence_reason": "One clear cluster.",
    "proposed_actions": [
        {
            "action_key": "restart_service",
            "parameters": [{"name": "instances", "value": "2"}],
            "reason": {"text": "Frees the pool.", "evidence": [1]},
        }
    ],
}


class Refused(Exception):
    """A function said no; `code` and `detail` are what the store maps."""

    def __init__(self, error: psycopg.Error) -> None:
        super().__init__(error.diag.message_primary)
        self.sqlstate = error.sqlstate
        self.detail: dict[str, Any] = json.loads(error.diag.message_detail or "{}")
        self.code = self.detail.get("code")


@dataclass(frozen=True)
class Person:
    id: str
    name: str


def model_answer(value: object, **more: object) -> str:
    """A generateContent body whose text is `value` as JSON."""
    candidate = {"content": {"parts": [{"text": json.dumps(value)}]}, "finishReason": "STOP"} | more
    return json.dumps(
        {"candidates": [candidate], "modelVersion": "test", "usageMetadata": {"totalTokenCount": 7}}
    )


class Desk:
    """One organization in a migrated database, reached through a connection of the migrations' owner.

    Each call runs in a transaction of its own under the caller's role, as PostgREST would run it.
    """

    def __init__(self, url: str, name: str = "acme", **settings: object) -> None:
        self.url = url
        with self._owner() as owner:
            self.organization: str = self._insert(owner, "organizations", name=name, slug=name, **settings)[
                "id"
            ]
            self.service: str = self._insert(
                owner, "services", organization_id=self.organization, name="payment-api", owner="payments"
            )["id"]
            self.action: str = self._insert(
                owner,
                "actions",
                organization_id=self.organization,
                service_id=self.service,
                key="restart_service",
                title="Restart",
                description="Frees stuck connections.",
                parameters=json.dumps(CATALOGUE_PARAMETERS),
                request=json.dumps(REQUEST),
                verify=json.dumps(VERIFY),
                risk="low",
                expected_effect="Errors stop.",
                rollback="None needed.",
            )["id"]
        self.vera, self.rita, self.ana, self.ben, self.ada = (
            self.person(name, role)
            for name, role in [
                ("Vera", "viewer"),
                ("Rita", "responder"),
                ("Ana", "approver"),
                ("Ben", "approver"),
                ("Ada", "admin"),
            ]
        )

    def _owner(self) -> "psycopg.Connection[dict[str, Any]]":
        return psycopg.connect(self.url, row_factory=dict_row)

    @staticmethod
    def _insert(
        connection: "psycopg.Connection[dict[str, Any]]", table: str, /, **values: object
    ) -> dict[str, Any]:
        statement = sql.SQL("insert into public.{} ({}) values ({}) returning *").format(
            sql.Identifier(table),
            sql.SQL(", ").join(map(sql.Identifier, values)),
            sql.SQL(", ").join([sql.Placeholder()] * len(values)),
        )
        row = connection.execute(statement, list(values.values())).fetchone()
        assert row is not None
        return {name: str(value) if isinstance(value, uuid.UUID) else value for name, value in row.items()}

    def person(self, name: str, role: str) -> Person:
        user = str(uuid.uuid4())
        with self._owner() as owner:
            owner.execute("insert into auth.users (id, email) values (%s, %s)", [user, f"{user}@example.com"])
            self._insert(
                owner,
                "profiles",
                user_id=user,
                organization_id=self.organization,
                role=role,
                display_name=name,
                email=f"{name}@example.com",
            )
        return Person(user, name)

    def new_service(self, name: str, **settings: object) -> str:
        """A service more; its id."""
        with self._owner() as owner:
            row = self._insert(
                owner, "services", organization_id=self.organization, name=name, owner="nobody", **settings
            )
        return str(row["id"])

    def new_action(self, service: str, **action: object) -> str:
        """An action in the catalogue of the service of that name; its id."""
        [found] = self.rows("select id from services where name = %s", service)
        values = {name: json.dumps(v) if isinstance(v, dict) else v for name, v in action.items()}
        with self._owner() as owner:
            row = self._insert(
                owner, "actions", organization_id=self.organization, service_id=found["id"], **values
            )
        return str(row["id"])

    def configure(self, table: str, row: str, **values: object) -> None:
        """Changes settings as an admin's tool would, past the API."""
        key = "user_id" if table == "profiles" else "id"
        with self._owner() as owner:
            for name, value in values.items():
                owner.execute(
                    sql.SQL("update public.{} set {} = %s where {} = %s").format(
                        *map(sql.Identifier, (table, name, key))
                    ),
                    [value, row],
                )

    def as_role(
        self, role: str, claims: dict[str, str], query: str, values: list[Any]
    ) -> list[dict[str, Any]]:
        """Rows of a query under a role, in one transaction."""
        with psycopg.connect(self.url, row_factory=dict_row) as connection:
            connection.execute("select set_config('role', %s, true)", [role])
            connection.execute("select set_config('request.jwt.claims', %s, true)", [json.dumps(claims)])
            try:
                cursor = connection.execute(query.encode(), values)
                return cursor.fetchall() if cursor.description else []
            except psycopg.Error as error:
                if (error.sqlstate or "").startswith("PT"):
                    raise Refused(error) from error
                raise

    def _call(self, role: str, claims: dict[str, str], function: str, arguments: dict[str, Any]) -> Any:
        named = ", ".join(f"{name} => %s" for name in arguments)
        values = [
            json.dumps(value) if name == "payload" or isinstance(value, dict | list) else value
            for name, value in arguments.items()
        ]
        rows = self.as_role(role, claims, f"select public.{function}({named}) as answer", values)
        return rows[0]["answer"] if rows else None

    def by(self, person: Person, function: str, **arguments: Any) -> Any:
        return self._call("authenticated", {"sub": person.id, "role": "authenticated"}, function, arguments)

    def by_flow(self, function: str, **arguments: Any) -> Any:
        return self._call("service_role", {"role": "service_role"}, function, arguments)

    def by_anon(self, function: str, **arguments: Any) -> Any:
        return self._call("anon", {"role": "anon"}, function, arguments)

    def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        """What stands in the tables, past every rule."""
        with self._owner() as owner:
            return owner.execute(query.encode(), list(values)).fetchall()

    def row(self, query: str, *values: Any) -> dict[str, Any]:
        return self.rows(query, *values)[0]

    # The story, up to a point -------------------------------------------------------------------------------

    def submit(self, person: Person | None = None, **payload: Any) -> dict[str, Any]:
        filled = {"service": "payment-api", "severity": "MEDIUM", "title": f"Errors {uuid.uuid4()}"} | payload
        answer: dict[str, Any] = self.by(person or self.rita, "submit_incident", payload=filled)
        return answer

    def claim(self, submitted: dict[str, Any]) -> str:
        execution = f"ex-{uuid.uuid4().hex[:12]}"
        answer = self.by_flow(
            "open_run", payload={"run_id": submitted["run_id"]}, kestra_execution_id=execution
        )
        assert answer["proceed"], answer
        return execution

    def analysed(self, execution: str, analysis: dict[str, Any] = ANALYSIS) -> dict[str, Any]:
        collected = {
            "evidence": [{"kind": "log", "text": "pool exhausted", "source": "logs"}],
            "redactions": {},
        }
        self.by_flow(
            "record_analysis", kestra_execution_id=execution, step="aggregate", response=json.dumps(collected)
        )
        answer: dict[str, Any] = self.by_flow(
            "record_analysis", kestra_execution_id=execution, step="analyze", response=model_answer(analysis)
        )
        return answer

    def waiting(self, person: Person | None = None, **payload: Any) -> tuple[str, dict[str, Any]]:
        """An incident up to its pending approval: (execution, approval row)."""
        execution = self.claim(self.submit(person, **payload))
        recorded = self.analysed(execution)
        asked = self.by_flow(
            "request_approval",
            kestra_execution_id=execution,
            proposal=recorded["analysis"]["proposed_actions"],
        )
        return execution, self.row("select * from approvals where id = %s", asked["approval_id"])

    def decide(
        self, person: Person, approval: dict[str, Any], decision: str = "approved", **other: Any
    ) -> Any:
        arguments = {"reason": "because", "content_hash": approval["content_hash"]} | other
        return self.by(person, "decide_approval", approval_id=approval["id"], decision=decision, **arguments)

    def begin(self, execution: str, nonce: str | None = None, key: str | None = None) -> dict[str, Any]:
        answer: dict[str, Any] = self.by_flow(
            "begin_action", kestra_execution_id=execution, action_key=key, nonce=nonce or uuid.uuid4().hex
        )
        return answer
