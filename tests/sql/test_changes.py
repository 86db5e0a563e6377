"""What people change, on the version they saw, and what they ask of a run."""

from typing import Any

import pytest

from tests.sql.desk import Desk, Person, Refused


def change(
    desk: Desk, incident: str, kind: str, person: Person | None = None, **payload: Any
) -> dict[str, Any]:
    version = payload.pop("version", None)
    if version is None:
        version = desk.row("select version from incidents where id = %s", incident)["version"]
    answer: dict[str, Any] = desk.by(
        person or desk.rita,
        "update_incident",
        incident_id=incident,
        kind=kind,
        payload=payload,
        version=version,
    )
    return answer


def refusal(desk: Desk, incident: str, kind: str, **payload: Any) -> Refused:
    with pytest.raises(Refused) as refused:
        change(desk, incident, kind, **payload)
    return refused.value


@pytest.fixture
def incident(desk: Desk) -> str:
    made: str = desk.submit()["incident_id"]
    return made


def test_a_stale_version_overwrites_nothing_and_says_who_was_faster(desk: Desk, incident: str) -> None:
    seen = desk.row("select version from incidents")["version"]
    change(desk, incident, "acknowledge", desk.ana, version=seen)
    stale = refusal(desk, incident, "assign", version=seen, user_id=desk.ben.id)
    assert (stale.code, stale.detail["by"], stale.detail["decision"]) == (
        "stale_version",
        "Ana",
        "acknowledged",
    )
    assert desk.row("select assigned_to from incidents")["assigned_to"] is None


def test_the_first_acknowledgement_counts_and_takes_the_escalation(desk: Desk) -> None:
    made = desk.submit(severity="HIGH")
    desk.by_flow("escalate", kestra_execution_id=desk.claim(made))
    change(desk, made["incident_id"], "acknowledge", desk.ana)
    first = desk.row("select acknowledged_at, acknowledged_by::text from incidents")
    change(desk, made["incident_id"], "acknowledge", desk.ben)
    assert desk.row("select acknowledged_at, acknowledged_by::text from incidents") == first
    assert first["acknowledged_by"] == desk.ana.id
    assert desk.row("select acknowledged_by::text from escalations")["acknowledged_by"] == desk.ana.id


def test_resolved_closed_and_reopened(desk: Desk, incident: str) -> None:
    assert change(desk, incident, "resolve")["status"] == "resolved"
    assert refusal(desk, incident, "resolve").code == "not_open"
    assert refusal(desk, incident, "reopen").code == "reason_required"
    assert change(desk, incident, "reopen", text="It is back")["status"] == "open"
    row = desk.row("select resolved_at, needs_human_reason from incidents")
    assert row == {"resolved_at": None, "needs_human_reason": "Rita reopened it: It is back"}
    assert change(desk, incident, "close")["status"] == "closed"


def test_an_incident_is_not_reopened_beside_its_open_twin(desk: Desk) -> None:
    first = desk.submit(id="INC-7", title="One")["incident_id"]
    change(desk, first, "resolve")
    desk.submit(id="INC-7", title="Two")
    assert refusal(desk, first, "reopen", text="again").code == "live_twin"


def test_resolving_takes_a_waiting_proposal_with_it(desk: Desk) -> None:
    execution, approval = desk.waiting()
    change(desk, str(approval["incident_id"]), "resolve")
    row = desk.row("select status, cause from approvals")
    assert (row["status"], row["cause"]) == ("cancelled", "Rita resolved the incident.")
    assert not desk.begin(execution)["allowed"]


@pytest.mark.parametrize(
    ("kind", "payload", "code"),
    [
        ("explode", {}, "invalid"),
        ("assign", {"user_id": "nobody"}, "invalid"),
        ("note", {"text": " "}, "invalid"),
        ("severity", {"severity": "worse"}, "invalid"),
    ],
)
def test_what_makes_no_sense_is_refused(
    desk: Desk, incident: str, kind: str, payload: dict[str, str], code: str
) -> None:
    assert refusal(desk, incident, kind, **payload).code == code


def test_a_viewer_changes_nothing_and_another_organization_sees_nothing(desk: Desk, incident: str) -> None:
    assert refusal(desk, incident, "note", person=desk.vera, text="x").code == "not_allowed"
    other = Desk(desk.url, "globex")
    assert refusal(desk, incident, "note", person=other.ada, text="x").code == "not_found"


class TestRaisingTheSeverity:
    def test_ends_the_run_cancels_what_waits_and_starts_anew(self, desk: Desk) -> None:
        execution, approval = desk.waiting()
        answer = change(desk, str(approval["incident_id"]), "severity", desk.ana, severity="CRITICAL")
        assert answer["run_id"]
        row = desk.row("select status, cause from approvals")
        assert (row["status"], row["cause"]) == ("cancelled", "The severity was raised to CRITICAL.")
        with pytest.raises(Refused) as refused:
            desk.begin(execution)
        assert refused.value.code == "not_owner"
        owed = desk.rows(
            "select kind, payload ->> 'command' as command from outbox where status = 'owed' order by kind"
        )
        assert owed == [{"kind": "command", "command": "kill"}, {"kind": "start_run", "command": None}]
        fresh = desk.by_flow("open_run", payload={"run_id": answer["run_id"]}, kestra_execution_id="ex-new")
        assert (fresh["proceed"], fresh["incident"]["severity"]) == (True, "CRITICAL")

    def test_the_kill_is_handed_out_before_the_start(self, desk: Desk) -> None:
        _, approval = desk.waiting()
        change(desk, str(approval["incident_id"]), "severity", severity="HIGH")
        rows = desk.as_role("service_role", {}, "select public.take_outbox('w') as row", [])
        assert [row["row"]["kind"] for row in rows] == ["command"]

    def test_also_by_reporting_it_again_as_worse(self, desk: Desk) -> None:
        desk.waiting(title="Same thing")
        again = desk.submit(desk.ana, title="Same thing", severity="HIGH")
        assert again["joined"]
        assert again["run_id"]
        assert desk.row("select severity from incidents")["severity"] == "HIGH"

    def test_who_raised_it_may_not_decide(self, desk: Desk) -> None:
        made = desk.submit(severity="LOW")
        desk.claim(made)
        answer = change(desk, made["incident_id"], "severity", desk.ana, severity="MEDIUM")
        desk.by_flow("open_run", payload={"run_id": answer["run_id"]}, kestra_execution_id="ex-new")
        asked = desk.by_flow("request_approval", kestra_execution_id="ex-new")
        rule = desk.by(desk.ana, "approval_rule", approval_id=asked["approval_id"])
        assert not rule["may_decide"]

    def test_lowering_it_leaves_the_run_alone(self, desk: Desk) -> None:
        _, approval = desk.waiting()
        assert change(desk, str(approval["incident_id"]), "severity", severity="LOW")["run_id"] is None
        assert desk.row("select status from approvals")["status"] == "pending"


class TestCommands:
    def command(self, desk: Desk, kind: str, row: str) -> dict[str, Any]:
        answer: dict[str, Any] = desk.by(desk.rita, "request_command", kind=kind, id=row, reason="because")
        return answer

    def refused(self, desk: Desk, kind: str, row: str) -> str | None:
        with pytest.raises(Refused) as refused:
            self.command(desk, kind, row)
        return refused.value.code

    def test_nothing_begins_after_a_kill_was_asked_for(self, desk: Desk) -> None:
        execution, approval = desk.waiting()
        desk.decide(desk.ana, approval)
        asked = self.command(desk, "kill", str(approval["execution_id"]))
        assert self.command(desk, "kill", str(approval["execution_id"])) == asked | {"already_asked": True}
        assert desk.begin(execution)["reason"] == "A person asked to kill this run."

    def test_an_ended_execution_is_not_killed_and_a_live_one_not_restarted(self, desk: Desk) -> None:
        execution = desk.claim(desk.submit())
        row = str(desk.row("select id from executions")["id"])
        assert self.refused(desk, "restart", row) == "not_failed"
        desk.by_flow("finish_run", kestra_execution_id=execution, state="SUCCESS")
        assert self.refused(desk, "kill", row) == "not_live"

    def test_again_only_when_no_run_is_live_and_the_incident_is_open(self, desk: Desk) -> None:
        made = desk.submit()
        assert self.refused(desk, "run_again", made["incident_id"]) == "live_run"
        desk.by_flow("finish_run", kestra_execution_id=desk.claim(made), state="FAILED")
        run = self.command(desk, "run_again", made["incident_id"])["command_id"]
        assert desk.row("select kind, requested_by::text from outbox where id = %s", run) == {
            "kind": "start_run",
            "requested_by": desk.rita.id,
        }
        desk.by_flow("finish_run", kestra_execution_id=desk.claim({"run_id": run}), state="SUCCESS")
        change(desk, made["incident_id"], "resolve")
        assert self.refused(desk, "run_again", made["incident_id"]) == "not_open"

    def test_a_start_can_be_withdrawn_with_a_reason_and_then_claims_nothing(self, desk: Desk) -> None:
        made = desk.submit()
        desk.by(desk.rita, "withdraw_outbox", id=made["run_id"], reason="Filed by mistake")
        answer = desk.by_flow("open_run", payload={"run_id": made["run_id"]}, kestra_execution_id="ex-late")
        assert (answer["proceed"], answer["reason"]) == (False, "This start was withdrawn.")

    def test_a_decision_is_never_withdrawn_from_the_outbox(self, desk: Desk) -> None:
        _, approval = desk.waiting()
        delivery = desk.decide(desk.ana, approval)["delivery_id"]
        with pytest.raises(Refused) as refused:
            desk.by(desk.rita, "withdraw_outbox", id=delivery, reason="oops")
        assert refused.value.code == "not_withdrawable"


def test_an_action_of_a_superseded_run_without_outcome_becomes_unknown(desk: Desk) -> None:
    execution, approval = desk.waiting()
    desk.decide(desk.ana, approval)
    desk.begin(execution)
    change(desk, str(approval["incident_id"]), "severity", desk.rita, severity="HIGH")
    desk.by_flow("finish_run", kestra_execution_id=execution, state="KILLED")
    assert desk.row("select status from action_runs")["status"] == "unknown"
