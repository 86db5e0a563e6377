"""What a test does with the running flow: file an incident, wait, decide, look at what came of it."""

import json
import uuid
from typing import Any, Self

import httpx
import yaml

from dashboard.seed.catalogue import restart_action
from dashboard.settings import WorkerSettings
from tests.sql.desk import Desk, Person
from tests.support.flow_file import FLOW_FILE
from tests.support.postgres import RunningPostgres
from tests.support.relay import Relay
from tests.support.until import until

Json = dict[str, Any]
NAMESPACE, FLOW, KEY = "incident.response", "incident-handler", "incident-webhook-key"
# The same with two other times: its pause ends by itself after two seconds, and between two tries of its last
# model call it waits so long that it is met there.
TIMED_FLOW = "incident-handler-timed"
WEBHOOK = f"/api/v1/executions/webhook/{NAMESPACE}/{{flow}}/{KEY}"
TERMINAL = {"SUCCESS", "WARNING", "FAILED", "KILLED"}
LOGS = [f"2026-11-24T05:00:{n:02d}Z ERROR connection pool exhausted after {n}00 ms" for n in range(30)]


def impatient(source: str) -> str:
    """The flow with tries closer together and less time for a model and an action that do not answer."""
    return (
        source.replace("interval: PT2S", "interval: PT0.2S")
        .replace("readIdleTimeout: PT100S", "readIdleTimeout: PT5S")
        .replace("send(request, known, timeout=30)", "send(request, known, timeout=5)")
    )


def timed(source: str) -> str:
    """The text of TIMED_FLOW."""
    text = source.replace(f"id: {FLOW}", f"id: {TIMED_FLOW}", 1)
    head, tail = text.replace("pauseDuration: P7D", "pauseDuration: PT2S").split("id: ai_agent_documentation")
    # Kestra wants the first pause below the longest one.
    tail = tail.replace("interval: PT0.2S", "interval: PT20S", 1).replace(
        "maxInterval: PT20S", "maxInterval: PT40S", 1
    )
    return f"{head}id: ai_agent_documentation{tail}"


class Handler:
    """The deployed flow and the parts around it."""

    def __init__(
        self,
        desk: Desk,
        *,
        postgres: RunningPostgres,
        worker_settings: WorkerSettings,
        jwt_secret: str,
        relay: Relay,
        model_url: str,
        service_url: str,
    ) -> None:
        self.desk = desk
        self.postgres = postgres
        self.relay = relay
        self.jwt_secret = jwt_secret
        self.worker_settings = worker_settings
        self.model_url = model_url
        self.service_url = service_url
        login = (worker_settings.kestra_username, worker_settings.kestra_password.get_secret_value())
        self._kestra = httpx.Client(
            base_url=worker_settings.kestra_url, auth=login, timeout=60, trust_env=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._kestra.close()

    def deploy(self, **values: str) -> None:
        """Saves the flow, less patient, and its values; points the catalogue to the service."""
        source = impatient(FLOW_FILE.read_text())
        self.save(source)
        self.save(timed(source))
        for name, value in values.items():
            self.put_value(name, value)
        action = restart_action("payment-api", self.service_url)
        for part in ("parameters", "request", "verify"):
            self.desk.configure("actions", self.desk.action, **{part: json.dumps(action[part])})

    def save(self, source: str) -> None:
        """Creates or updates a flow that Kestra finds nothing wrong with."""
        findings = self._yaml("/api/v1/main/flows/validate", source).json()
        assert not findings[0].get("constraints"), findings
        assert not findings[0].get("warnings"), findings
        flow = yaml.safe_load(source)
        answer = self._yaml("/api/v1/main/flows", source)
        if answer.status_code == 422 and "already exists" in answer.text:
            answer = self._yaml(f"/api/v1/main/flows/{flow['namespace']}/{flow['id']}", source, "PUT")
        answer.raise_for_status()

    def _yaml(self, path: str, source: str, method: str = "POST") -> httpx.Response:
        headers = {"Content-Type": "application/x-yaml"}
        return self._kestra.request(method, path, content=source, headers=headers)

    def put_value(self, name: str, value: str) -> None:
        path = f"/api/v1/main/namespaces/{NAMESPACE}/kv/{name}"
        answer = self._kestra.put(path, content=json.dumps(value), headers={"Content-Type": "text/plain"})
        answer.raise_for_status()

    def misbehave(self, url: str, how: str, times: int = 1, **more: Any) -> None:
        """Makes the next answers of model or service go wrong."""
        httpx.post(
            f"{url}/test-hooks/misbehave", json={"how": how, "times": times, **more}, trust_env=False
        ).raise_for_status()

    # The story ----------------------------------------------------------------------------------------------

    def payload(self, severity: Any, **more: Any) -> Json:
        """A new incident in the guide's structure."""
        return {
            "id": f"INC-{uuid.uuid4().hex[:10]}",
            "service": "payment-api",
            "severity": severity,
            "title": f"High error rate {uuid.uuid4()}",
            "logs": LOGS,
            "metrics": {"error_rate": 0.45},
            "context": {"host": "prod-1"},
        } | more

    def file(self, severity: Any, **more: Any) -> str:
        """Posts a new incident to the webhook; answers the execution's id."""
        return self.post(self.payload(severity, **more))

    def post(self, payload: Any, flow: str = FLOW) -> str:
        answer = self._kestra.post(WEBHOOK.format(flow=flow), json=payload)
        answer.raise_for_status()
        return str(answer.json()["id"])

    def state(self, execution: str) -> str:
        return self.history(execution)[-1]

    def tasks(self, execution: str) -> set[str]:
        """The tasks it has begun."""
        return set(self._task_runs(execution))

    def _task_runs(self, execution: str) -> dict[str, str]:
        """Task: id of its run."""
        return {str(run["taskId"]): str(run["id"]) for run in self._runs(execution)}

    def _runs(self, execution: str) -> list[Json]:
        answer = self._kestra.get(f"/api/v1/main/executions/{execution}")
        answer.raise_for_status()
        return list(answer.json().get("taskRunList") or ())

    def _is_over(self, execution: str) -> bool:
        ends = {run["taskId"]: run["state"]["current"] for run in self._runs(execution)}
        return ends.get("finish_run") in TERMINAL

    def history(self, execution: str) -> list[str]:
        """The states it was in, oldest first."""
        answer = self._kestra.get(f"/api/v1/main/executions/{execution}")
        answer.raise_for_status()
        return [str(change["state"]) for change in answer.json()["state"]["histories"]]

    def wait(self, execution: str, *states: str, seconds: float = 60) -> str:
        """The state, once it is one of `states` (default: any end); at an end, once it was reported too."""
        wanted = set(states) or TERMINAL

        def reached() -> str | None:
            state = self.state(execution)
            assert state not in TERMINAL or state in wanted, f"{state}: {self.problem(execution)}"
            return state if state in wanted else None

        state = until(reached, f"{execution} is {' or '.join(sorted(wanted))}", seconds)
        if state in TERMINAL:
            until(lambda: self.execution(execution)["ended_at"], f"{execution} is reported as ended")
        return state

    def resume(self, execution: str, **inputs: str) -> int:
        """Answers the HTTP status."""
        files = {name: (None, value) for name, value in inputs.items()} or {"": (None, "")}
        return self._kestra.post(
            f"/api/v1/main/executions/{execution}/actions/resume", files=files
        ).status_code

    def post_raw(self, body: bytes) -> int:
        """The HTTP status of a webhook call with that body."""
        headers = {"Content-Type": "application/json"}
        return self._kestra.post(WEBHOOK.format(flow=FLOW), content=body, headers=headers).status_code

    def start_by_hand(self, payload: Any) -> str:
        """As a person does in Kestra's own UI, with the input as JSON text."""
        answer = self._kestra.post(
            f"/api/v1/main/executions/{NAMESPACE}/{FLOW}",
            files={"incident_data": (None, json.dumps(payload))},
        )
        answer.raise_for_status()
        return str(answer.json()["id"])

    def replay(self, execution: str, task: str | None = None) -> str:
        """Runs an execution again from its start, or from a task on; answers the new one's id."""
        query = {"taskRunId": self._task_runs(execution)[task]} if task else {}
        answer = self._kestra.post(f"/api/v1/main/executions/{execution}/actions/replay", params=query)
        answer.raise_for_status()
        return str(answer.json()["id"])

    def delete(self, execution: str) -> None:
        """As Kestra's own UI does: it is gone."""
        self._kestra.delete(f"/api/v1/main/executions/{execution}").raise_for_status()

    def restart(self, execution: str) -> None:
        """As Kestra's own UI does, once its last task has ended: that would take an earlier restart back."""
        until(lambda: self._is_over(execution), f"{execution} is over")
        self._kestra.post(f"/api/v1/main/executions/{execution}/actions/restart").raise_for_status()

    def kill(self, execution: str) -> None:
        self._kestra.delete(f"/api/v1/main/executions/{execution}/actions/kill").raise_for_status()

    def decide(self, person: Person, execution: str, decision: str) -> None:
        """Decides and does what the worker would: resumes."""
        approval = self.approval(execution)
        self.desk.decide(person, approval, decision)
        assert self.resume(execution, decision_id=str(approval["id"])) == 200

    # What came of it ----------------------------------------------------------------------------------------

    def execution(self, execution: str) -> Json:
        return self.desk.row("select * from executions where kestra_execution_id = %s", execution)

    def problem(self, execution: str) -> Any:
        found = self.desk.rows("select problem from executions where kestra_execution_id = %s", execution)
        return found[0]["problem"] if found else "never claimed"

    def incident(self, execution: str) -> Json:
        return self.desk.row(
            "select * from incidents where id = %s", self.execution(execution)["incident_id"]
        )

    def analysis(self, execution: str) -> Json:
        return self.desk.row("select * from ai_analyses where kestra_execution_id = %s", execution)

    def approval(self, execution: str) -> Json:
        return self.desk.row("select * from approvals where kestra_execution_id = %s", execution)

    def action_runs(self, execution: str) -> list[Json]:
        query = "select * from action_runs where execution_id = %s order by begun_at"
        return self.desk.rows(query, self.execution(execution)["id"])

    def escalations(self, execution: str) -> list[str]:
        query = "select reason from escalations where execution_id = %s"
        return [row["reason"] for row in self.desk.rows(query, self.execution(execution)["id"])]

    def restarts(self) -> int:
        """How often the demo service really restarted payment-api."""
        return int(httpx.get(f"{self.service_url}/restarts", trust_env=False).json()["payment-api"])

    def prompts(self) -> list[str]:
        """The last prompts the model got."""
        answer = httpx.get(f"{self.model_url}/test-hooks/prompts", trust_env=False).json()
        return [one["prompt"] for one in answer]

    def logs(self, execution: str) -> str:
        answer = self._kestra.get(f"/api/v1/main/logs/{execution}")
        answer.raise_for_status()
        return answer.text

    def outputs(self, execution: str) -> str:
        """Execution and outputs as Kestra tells them."""
        texts = [self._kestra.get(f"/api/v1/main/executions/{execution}").text]
        texts.append(self._kestra.get(f"/api/v1/main/outputs/{execution}").text)
        return "\n".join(texts)

    # Other flows beside it ----------------------------------------------------------------------------------

    def source(self, flow: str) -> str:
        """A flow's text as Kestra has it."""
        answer = self._kestra.get(f"/api/v1/main/flows/{NAMESPACE}/{flow}", params={"source": "true"})
        answer.raise_for_status()
        return str(answer.json()["source"])

    def executions(self, flow: str) -> list[str]:
        """The ids of all executions of a flow."""
        found = self._kestra.get(
            "/api/v1/main/executions/search",
            params={
                "filters[namespace][EQUALS]": NAMESPACE,
                "filters[flowId][EQUALS]": flow,
                "size": "100",
                "sort": "state.startDate:desc",
            },
        )
        found.raise_for_status()
        return [str(each["id"]) for each in found.json()["results"]]

    def call_webhook(self, flow: str, key: str, payload: Any) -> int:
        """The HTTP status of a call without any login."""
        address = f"{self.worker_settings.kestra_url}/api/v1/executions/webhook/{NAMESPACE}/{flow}/{key}"
        return httpx.post(address, json=payload, timeout=60, trust_env=False).status_code
