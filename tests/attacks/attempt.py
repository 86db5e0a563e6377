"""An attack, the defence that stops it, and how a defence is taken out of a database."""

import re
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Protocol

import psycopg

from tests.sql.desk import Desk, Refused

# What an attack may not move. Executions note each call of the flow, so they are not among them.
_KEPT = (
    "organizations",
    "profiles",
    "services",
    "actions",
    "incidents",
    "approvals",
    "approval_votes",
    "action_runs",
    "outbox",
    "audit_log",
)

Situation = dict[str, Any]


class Thwarted(Exception):
    """Answered, but not with what the attacker was after."""


class Defence(Protocol):
    """A part of the database that can be taken out."""

    def take_out(self, owner: "psycopg.Connection[tuple[Any, ...]]") -> None:
        """Raises AssertionError or psycopg.Error if there is nothing to take out."""


@dataclass(frozen=True)
class Line:
    """A piece of a function's body: taken out, or replaced by what a careless author would have written."""

    function: str
    text: str
    instead: str = ""
    times: int = 1

    def take_out(self, owner: "psycopg.Connection[tuple[Any, ...]]") -> None:
        row = owner.execute("select pg_get_functiondef(%s::regproc)", [self.function]).fetchone()
        assert row is not None
        pattern = r"\s+".join(re.escape(word) for word in self.text.split())
        weakened, found = re.subn(pattern, lambda _: self.instead, row[0])
        assert found == self.times, f"{self.function} has this {found} times, not {self.times}: {self.text}"
        owner.execute(weakened.encode())


@dataclass(frozen=True)
class Rule:
    """A constraint, index, trigger or missing right, and the statements that undo it."""

    statements: tuple[str, ...]

    def take_out(self, owner: "psycopg.Connection[tuple[Any, ...]]") -> None:
        for statement in self.statements:
            owner.execute(statement.encode())


def rule(*statements: str) -> Rule:
    return Rule(statements)


def no_right(role: str, right: str, table: str) -> Rule:
    """That `role` lacks this right on a table; undone as a careless migration would, for all rows."""
    command = right.split("(")[0].strip()
    return Rule(
        (
            f"grant {right} on public.{table} to {role}",
            f"grant usage on all sequences in schema public to {role}",
            f"create policy careless on public.{table} for {command} to {role}"
            + (" with check (true)" if command == "insert" else " using (true)"),
        )
    )


@dataclass(frozen=True)
class Attack:
    """`strike` does what the attacker wants, or raises; `refused` stands in what the attacker reads.

    Where several defences stand behind each other, all are named: the attack must succeed without them
    and fail with them. `moves` are tables that the refusal itself writes.
    """

    name: str
    prepare: Callable[[Desk], Situation]
    strike: Callable[[Desk, Situation], object]
    refused: str
    defences: tuple[Defence, ...]
    moves: frozenset[str] = frozenset()

    def is_refused(self, desk: Desk, situation: Situation) -> str:
        """What the attacker reads. Raises AssertionError if the attack succeeded."""
        try:
            self.strike(desk, situation)
        except (Refused, Thwarted, psycopg.Error) as no:
            return f"{getattr(no, 'code', None) or ''} {no}"
        raise AssertionError(f"it succeeded: {self.name}")


def weaken(desk: Desk, defences: tuple[Defence, ...]) -> None:
    """Take these defences out, as the owner of the schema could."""
    with closing(psycopg.connect(desk.url, autocommit=True)) as owner:
        for defence in defences:
            defence.take_out(owner)


def kept(desk: Desk, attack: Attack) -> dict[str, str]:
    """A digest of each table that the attack must not move."""
    names = [name for name in _KEPT if name not in attack.moves]
    digests = ", ".join(
        f"(select md5(coalesce(string_agg(t::text, '' order by t::text), '')) from public.{name} t) as {name}"
        for name in names
    )
    row = desk.row(f"select {digests}")
    return {name: str(digest) for name, digest in row.items()}


# What attackers do ------------------------------------------------------------------------------------------


def begun(desk: Desk, execution: str, **how: Any) -> dict[str, Any]:
    """Leave for an action, or Thwarted with the reason."""
    leave = desk.begin(execution, **how)
    if not leave["allowed"]:
        raise Thwarted(leave["reason"])
    return leave


def approved(desk: Desk, person: Any, approval: dict[str, Any], **other: Any) -> None:
    """A decision that counts, or Thwarted while it still waits for more."""
    answer = desk.decide(person, approval, **other)
    if answer["status"] != "approved":
        raise Thwarted(f"It is still {answer['status']}.")


def written(desk: Desk, role: str, person: Any, statement: str, *values: Any) -> None:
    """A statement straight at the tables, as the REST interface would run it; Thwarted if it met no row."""
    claims = {"role": role} | ({"sub": person.id} if person else {})
    if not desk.as_role(role, claims, statement + " returning 1", list(values)):
        raise Thwarted("no row was met")


def as_owner(desk: Desk, statement: str, *values: Any) -> None:
    """A statement with the rights of the schema's owner, past the API."""
    if not desk.rows(statement + " returning 1", *values):
        raise Thwarted("no row was met")


def waiting(desk: Desk, person: Any = None, **payload: Any) -> Situation:
    """An incident whose proposal waits."""
    execution, approval = desk.waiting(person, **payload)
    return {"execution": execution, "approval": approval, "incident": str(approval["incident_id"])}


def decided(desk: Desk, decision: str = "approved", **payload: Any) -> Situation:
    """An incident whose proposal was decided by Ana, and not delivered yet."""
    situation = waiting(desk, **payload)
    answer = desk.decide(desk.ana, situation["approval"], decision, reason="Because.")
    return situation | {"delivery": answer["delivery_id"]}


def newest(desk: Desk) -> dict[str, Any]:
    """The approval that was made last."""
    return desk.row("select * from approvals order by created_at desc limit 1")


def changed(desk: Desk, person: Any, incident: str, kind: str, **payload: Any) -> dict[str, Any]:
    """What a person changes on an incident, on its present version."""
    version = desk.row("select version from incidents where id = %s", incident)["version"]
    answer: dict[str, Any] = desk.by(
        person, "update_incident", incident_id=incident, kind=kind, payload=payload, version=version
    )
    return answer


def proposal(instances: Any = 3, action: str = "restart_service", **more: Any) -> list[dict[str, Any]]:
    """A list of one action, as an editor sends it."""
    return [
        {
            "action": action,
            "parameters": {"instances": instances} | more,
            "reason": {"text": "x", "evidence": [1]},
        }
    ]


def edited(desk: Desk, person: Any, approval: dict[str, Any], actions: Any = None) -> dict[str, Any]:
    """The approval that an edit makes."""
    answer = desk.by(
        person,
        "edit_proposal",
        approval_id=approval["id"],
        proposal=proposal() if actions is None else actions,
        content_hash=approval["content_hash"],
        reason="Better so.",
    )
    return desk.row("select * from approvals where id = %s", answer["approval_id"])


def withdrawn(desk: Desk, person: Any, approval: dict[str, Any]) -> dict[str, Any]:
    """The approval that a withdrawal makes."""
    answer = desk.by(person, "withdraw_decision", approval_id=approval["id"], reason="Wrong one.")
    return desk.row("select * from approvals where id = %s", answer["approval_id"])


def killed(desk: Desk, execution: str, state: str = "KILLED") -> None:
    """The run's end as Kestra reports it."""
    desk.by_flow("finish_run", kestra_execution_id=execution, state=state)
