"""`make smoke`: the whole story through public interfaces, in a sandbox of its own. A line per step.

Nothing here reaches into the product: incidents go in by PostgREST and webhook, decisions by PostgREST,
states come from Kestra's API and from Supabase, effects from the demo service.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
from postgrest import APIError
from supabase import Client

from tests.support.sandbox import RunningSandbox
from tests.support.until import until

WEBHOOK = "/api/v1/executions/webhook/incident.response/incident-handler/incident-webhook-key"
GUIDE_JSON = {
    "id": "INC-001",
    "service": "payment-api",
    "severity": "HIGH",
    "title": "High Error Rate",
    "logs": ["ERROR: Connection timeout"],
    "metrics": {"error_rate": 0.45},
    "context": {"host": "prod-api-1"},
    "organization_id": "uuid",
}
TERMINAL = {"SUCCESS", "WARNING", "FAILED", "KILLED", "CANCELLED"}


def incident(service: str, severity: str, title: str) -> dict[str, Any]:
    lines = [
        f"2026-11-24T03:0{n}:00Z ERROR [pool-{n}] Connection timeout after 3000{n} ms: pool exhausted"
        for n in range(5)
    ]
    return {
        "service": service,
        "severity": severity,
        "title": title,
        "logs": [*lines, "2026-11-24T03:06:00Z WARN retry by ops@example.com with token=abcd1234efgh"],
        "metrics": {"error_rate": 0.45, "latency_ms": 2300},
        "context": {"host": "prod-1"},
    }


class Story:
    """The people of the demo and what they see."""

    def __init__(self, sandbox: RunningSandbox) -> None:
        self.sandbox = sandbox
        self.vera, self.rita, self.ana, self.ada = (
            sandbox.client(role) for role in ("viewer", "responder", "approver", "admin")
        )
        self.kestra = sandbox.kestra()

    def submit(self, person: Client, payload: dict[str, Any]) -> str:
        answer: str = person.rpc("submit_incident", {"payload": payload}).execute().data["incident_id"]
        return answer

    def row(self, incident_id: str) -> dict[str, Any]:
        return self.vera.table("incidents").select("*").eq("id", incident_id).single().execute().data

    def owner(self, incident_id: str) -> dict[str, Any]:
        """The execution that owns the incident, once there is one."""
        query = self.vera.table("executions").select("*").eq("incident_id", incident_id).eq("owns", True)
        return until(lambda: (query.execute().data or [None])[0], f"a run of {incident_id}")

    def state(self, execution_id: str) -> str:
        """From Kestra's own API, by the guide's status call."""
        answer = self.kestra.get(f"/api/v1/main/executions/{execution_id}")
        answer.raise_for_status()
        state: str = answer.json()["state"]["current"]
        return state

    def approval(self, incident_id: str) -> dict[str, Any]:
        """The pending approval, once Kestra waits for it."""
        query = self.vera.table("approvals").select("*").eq("incident_id", incident_id)
        found = until(lambda: (query.execute().data or [None])[0], f"an approval of {incident_id}")
        until(lambda: self.state(found["kestra_execution_id"]) == "PAUSED", f"{incident_id} is PAUSED")
        return found

    def decide(self, person: Client, approval: dict[str, Any], decision: str, reason: str) -> None:
        person.rpc(
            "decide_approval",
            {
                "approval_id": approval["id"],
                "decision": decision,
                "reason": reason,
                "content_hash": approval["content_hash"],
            },
        ).execute()

    def ended(self, incident_id: str) -> dict[str, Any]:
        """The incident after its run ended, both at Kestra and in Supabase."""
        execution = self.owner(incident_id)["kestra_execution_id"]
        until(lambda: self.state(execution) in TERMINAL, f"{execution} has ended", 60)
        until(lambda: self.owner(incident_id)["ended_at"], f"the end of {execution} is recorded")
        assert self.state(execution) == "SUCCESS", f"{execution} ended as {self.state(execution)}"
        return self.row(incident_id)

    def postmortem(self, incident_id: str) -> dict[str, Any]:
        query = self.vera.table("ai_analyses").select("*").eq("incident_id", incident_id)
        rows = query.not_.is_("completed_at", "null").execute().data
        assert len(rows) == 1, f"{len(rows)} postmortems of {incident_id}"
        found: dict[str, Any] = rows[0]
        assert found["problem"] is None, found["problem"]
        numbers = {item["n"] for item in found["evidence"]}
        cited = {n for part in found["documentation"]["executive_summary"] for n in part["evidence"]}
        assert numbers, "no evidence"
        assert cited <= numbers, f"cites evidence that is not there: {cited - numbers}"
        assert "ops@example.com" not in str(found), "personal data reached the postmortem"
        return found


def refused(act: Callable[[], object]) -> str:
    try:
        act()
    except APIError as error:
        return str(error.message)
    raise AssertionError("this should have been refused")


def low(story: Story) -> str:
    made = story.submit(story.rita, incident("report-worker", "LOW", "Reports are late"))
    assert story.ended(made)["status"] == "resolved"
    return made


def medium_approved(story: Story) -> str:
    made = story.submit(story.rita, incident("payment-api", "MEDIUM", "Payments time out"))
    before = story.sandbox.restarts()
    approval = story.approval(made)
    assert story.sandbox.restarts() == before, "acted before anybody approved"
    assert "approver" in refused(lambda: story.decide(story.rita, approval, "approved", "")), (
        "a responder decided"
    )
    story.decide(story.ana, approval, "approved", "Looks right")
    assert story.ended(made)["status"] == "resolved"
    after = (
        story.vera.table("approvals")
        .select("outcome, delivered_at")
        .eq("id", approval["id"])
        .single()
        .execute()
    )
    assert after.data["outcome"] == "acted", after.data
    until(
        lambda: (
            story.vera.table("approvals")
            .select("delivered_at")
            .eq("id", approval["id"])
            .single()
            .execute()
            .data["delivered_at"]
        ),
        "the decision counts as delivered",
    )
    return made


def own_approval_refused_then_rejected(story: Story) -> str:
    made = story.submit(story.ana, incident("checkout-web", "MEDIUM", "Checkout is slow"))
    approval = story.approval(made)
    sentence = refused(lambda: story.decide(story.ana, approval, "approved", "mine"))
    assert sentence == "You submitted this incident; somebody else has to decide.", sentence
    story.decide(story.ada, approval, "rejected", "Not during the sale")
    after = story.ended(made)
    assert after["status"] == "investigating"
    assert "Not during the sale" in after["needs_human_reason"]
    sentence = refused(lambda: story.decide(story.ada, approval, "approved", "changed my mind"))
    assert "Ada Admin rejected this" in sentence, sentence
    return made


def escalated(severity: str) -> Callable[[Story], str]:
    def step(story: Story) -> str:
        made = story.submit(
            story.rita, incident("checkout-web", severity, f"{severity.title()} failure of checkout")
        )
        after = story.ended(made)
        assert after["status"] == "investigating"
        assert after["needs_human"]
        rows = story.vera.table("escalations").select("*").eq("incident_id", made).execute().data
        assert len(rows) == 1, rows
        return made

    return step


def post(story: Story, payload: dict[str, Any]) -> str:
    answer = httpx.post(story.sandbox.urls["kestra"] + WEBHOOK, json=payload, timeout=15)
    answer.raise_for_status()
    execution: str = answer.json()["id"]
    return execution


def by_webhook(story: Story, execution: str) -> str:
    query = story.vera.table("executions").select("incident_id").eq("kestra_execution_id", execution)
    made: str = until(lambda: (query.execute().data or [None])[0], f"{execution} opened its run")[
        "incident_id"
    ]
    return made


def lower_case(story: Story) -> str:
    payload = incident("report-worker", "low", "Nightly report is missing")
    made = by_webhook(story, post(story, payload))
    after = story.ended(made)
    assert (after["severity"], after["severity_text"], after["status"]) == ("LOW", "low", "resolved"), after
    return made


def unknown_severity(story: Story) -> str:
    made = by_webhook(story, post(story, incident("search-api", "Sev-1", "Search returns nothing")))
    after = story.ended(made)
    assert after["severity"] == "UNKNOWN"
    assert after["needs_human"]
    assert after["status"] == "investigating"
    return made


def resumed_by_hand(story: Story) -> str:
    made = story.submit(story.rita, incident("search-api", "MEDIUM", "Search is slow"))
    approval = story.approval(made)
    answer = story.kestra.post(
        f"/api/v1/main/executions/{approval['kestra_execution_id']}/actions/resume",
        files={"ignored": (None, "")},
    )
    answer.raise_for_status()
    after = story.ended(made)
    assert after["status"] == "investigating"
    now = (
        story.vera.table("approvals").select("status, cause").eq("id", approval["id"]).single().execute().data
    )
    assert now["status"] == "cancelled", now
    sentence = refused(lambda: story.decide(story.ana, approval, "approved", "too late"))
    assert "resumed in Kestra" in sentence, sentence
    return made


def guide_twice(story: Story) -> str:
    with ThreadPoolExecutor(2) as pool:
        executions = list(pool.map(lambda _: post(story, GUIDE_JSON), range(2)))
    incidents = {by_webhook(story, execution) for execution in executions}
    assert len(incidents) == 1, f"two incidents: {incidents}"
    made = incidents.pop()
    for execution in executions:
        until(lambda one=execution: story.state(one) in TERMINAL, f"{execution} has ended", 60)
    story.ended(made)
    rows = story.vera.table("executions").select("owns").eq("incident_id", made).execute().data
    assert sorted(row["owns"] for row in rows) == [False, True], rows
    assert story.row(made)["occurrences"] == 2
    return made


STEPS: list[tuple[str, Callable[[Story], str]]] = [
    ("LOW acts by itself", low),
    ("MEDIUM waits, is approved, acts", medium_approved),
    ("own approval is refused in words, then rejected by another", own_approval_refused_then_rejected),
    ("HIGH escalates", escalated("HIGH")),
    ("CRITICAL escalates", escalated("CRITICAL")),
    ("lower-case severity by webhook acts as LOW", lower_case),
    ("unknown severity escalates and says so", unknown_severity),
    ("resumed by hand without a decision: nothing acts", resumed_by_hand),
    ("the guide's JSON twice at once: one incident, one acting run", guide_twice),
]
RESTARTS = {"report-worker": 2, "payment-api": 1}


def say(started: float, line: str) -> None:
    sys.stdout.write(f"{time.monotonic() - started:6.1f} s  {line}\n")
    sys.stdout.flush()


def main() -> None:
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="smoke-") as folder:
        sandbox = RunningSandbox(Path(folder) / "sandbox", seconds=900)
        try:
            say(started, f"sandbox and desk are up at {sandbox.urls['desk']}")
            story = Story(sandbox)
            made = []
            for name, step in STEPS:
                made.append(step(story))
                story.postmortem(made[-1])
                say(started, name)
            counts = {name: count for name, count in sandbox.restarts().items() if count}
            assert counts == RESTARTS, f"restarted {counts}, expected {RESTARTS}"
            say(started, f"{len(made)} postmortems in Supabase; the demo service restarted {counts}")
            assert httpx.get(f"{sandbox.urls['desk']}/healthz", timeout=5).status_code == httpx.codes.OK
            processes = sandbox.processes()
        finally:
            code = sandbox.stop()
        assert code == 0, f"the sandbox ended with {code}"
        left = [pid for pid in processes if Path(f"/proc/{pid}").exists()]
        assert not left, f"still running: {left}"
        say(started, "stopped, nothing left running")
    sys.stdout.write("smoke: ok\n")


if __name__ == "__main__":
    main()
