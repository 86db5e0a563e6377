"""One incident as its page reads it: whole, small, and of one's own organization only."""

from typing import Any

import pytest

from tests.sql.desk import Desk, Person, Refused


def case(desk: Desk, incident: str, person: Person | None = None) -> dict[str, Any]:
    answer: dict[str, Any] = desk.by(person or desk.vera, "incident_case", incident_id=incident)
    return answer


def findings(desk: Desk, incident: str) -> dict[str, Any]:
    answer: dict[str, Any] = desk.by(desk.vera, "incident_findings", incident_id=incident)
    return answer


def change(desk: Desk, incident: str, person: Person, kind: str, **payload: Any) -> None:
    version = desk.row("select version from incidents where id = %s", incident)["version"]
    desk.by(person, "update_incident", incident_id=incident, kind=kind, payload=payload, version=version)


def test_a_case_names_people_and_leaves_the_report_out(desk: Desk) -> None:
    incident = str(desk.submit(logs=["secret line"], metrics={"a": 1})["incident_id"])
    change(desk, incident, desk.ana, "acknowledge")
    change(desk, incident, desk.rita, "assign", user_id=desk.ben.id)
    seen = case(desk, incident)["incident"]
    assert (seen["acknowledged_by_name"], seen["assigned_to_name"]) == ("Ana", "Ben")
    assert not {"logs", "metrics", "context", "description"} & set(seen)


def test_what_was_asked_for_says_by_whom_and_keeps_the_lease_to_itself(desk: Desk) -> None:
    made = desk.submit()
    execution = desk.claim(made)
    row = desk.row("select id from executions where kestra_execution_id = %s", execution)
    desk.by(desk.ana, "request_command", kind="kill", id=row["id"], reason="Wrong service")
    kill, start = case(desk, str(made["incident_id"]))["requests"]
    assert (kill["kind"], kill["payload"]["command"], kill["requested_by_name"]) == ("command", "kill", "Ana")
    assert (start["kind"], start["status"], start["requested_by_name"]) == ("start_run", "done", "Rita")
    assert not {"lease_token", "leased_by", "lease_until"} & set(kill)


def test_superseded_runs_are_among_the_runs_and_refused_ones_are_not(desk: Desk) -> None:
    made = desk.submit(severity="LOW")
    first = desk.claim(made)
    desk.by_flow("open_run", payload={"run_id": made["run_id"]}, kestra_execution_id="ex-twin")
    change(desk, str(made["incident_id"]), desk.ana, "severity", severity="HIGH")
    runs = case(desk, str(made["incident_id"]))["runs"]
    assert [run["kestra_execution_id"] for run in runs] == [first]
    assert runs[0]["superseded_at"]
    assert runs[0]["requested_by_name"] == "Rita"


def test_findings_keep_nonces_and_payloads_back(desk: Desk) -> None:
    execution, approval = desk.waiting(title="Same thing")
    incident = str(approval["incident_id"])
    desk.decide(desk.ana, approval)
    desk.begin(execution)
    desk.submit(desk.ana, title="Same thing", logs=["x" * 1000])
    found = findings(desk, incident)
    assert "nonce" not in found["action_runs"][0]
    again = next(event for event in found["events"] if event["kind"] == "seen_again")
    assert again["has_payload"]
    assert "payload" not in again["detail"]
    assert [event["id"] for event in found["events"]] == sorted(event["id"] for event in found["events"])
    assert found["analysis"]["kestra_execution_id"] == execution


def test_an_incident_without_anything_has_empty_lists(desk: Desk) -> None:
    incident = str(desk.submit()["incident_id"])
    seen, found = case(desk, incident), findings(desk, incident)
    assert (seen["runs"], seen["approvals"]) == ([], [])
    assert (found["analysis"], found["action_runs"], found["escalations"]) == (None, [], [])


@pytest.mark.parametrize("function", ["incident_case", "incident_findings"])
def test_another_organizations_incident_is_not_there(desk: Desk, function: str) -> None:
    incident = str(desk.submit()["incident_id"])
    other = Desk(desk.url, "globex")
    with pytest.raises(Refused) as refused:
        other.by(other.ada, function, incident_id=incident)
    assert refused.value.code == "not_found"
