"""The demo's content against the database's own checks."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from dashboard.seed.catalogue import ADDRESSES, restart_action
from dashboard.seed.happenings import read_happenings
from dashboard.seed.history import import_payload
from tests.sql.desk import Desk, Refused

TODAY = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)


PAST = {happening.id: (happening, text) for happening, text in read_happenings()}


@pytest.fixture
def demo(desk: Desk) -> Desk:
    """An organization with the demo's people by their addresses."""
    people = {"rita": desk.rita, "ana": desk.ana, "mina": desk.ben, "ada": desk.ada, "omar": desk.vera}
    for name, person in people.items():
        desk.configure("profiles", person.id, email=ADDRESSES[name])
    return desk


def imported(demo: Desk, external_id: str, **values: Any) -> str:
    happening, text = PAST[external_id]
    payload = import_payload(happening, text, demo.organization, TODAY) | values
    first = demo.by_flow("import_incident", payload=payload)
    assert demo.by_flow("import_incident", payload=payload) == first
    return str(first["incident_id"])


def test_all_of_the_past_is_imported_once_with_all_that_it_cites(demo: Desk) -> None:
    for happening, text in PAST.values():
        payload = import_payload(happening, text, demo.organization, TODAY)
        incident = imported(demo, happening.id)
        analysis = demo.row("select * from ai_analyses where incident_id = %s", incident)
        assert len(analysis["evidence"]) == len(payload["evidence"])
        # Nothing that was cited fell away because its number did not exist.
        for section, sentences in payload.get("documentation", {}).items():
            assert [s["evidence"] for s in analysis["documentation"][section]] == [
                s["evidence"] for s in sentences
            ]
        assert analysis["completed_at"] is not None
    rows = demo.rows(
        "select distinct source, kind, e.detail ? 'imported' as told from incidents i"
        " join incident_events e on e.incident_id = i.id"
    )
    assert {(row["source"], row["told"]) for row in rows} == {("import", True)}
    assert demo.row("select count(*) as n from outbox")["n"] == 0
    early = demo.row(
        "select count(*) as n from incident_events e join incidents i on i.id = e.incident_id"
        " where e.at < i.created_at or e.at > now()"
    )
    assert early["n"] == 0


def test_a_decision_of_the_past_is_one_of_a_person_on_a_hashed_text(demo: Desk) -> None:
    incident = imported(demo, "INC-2050")
    approval = demo.row("select * from approvals where incident_id = %s", incident)
    assert (approval["status"], approval["outcome"], str(approval["decided_by"])) == (
        "approved",
        "acted",
        demo.ana.id,
    )
    assert (approval["decided_at"] - approval["created_at"]).total_seconds() == 16 * 60
    run = demo.row("select * from action_runs where incident_id = %s", incident)
    assert (run["status"], run["verified"], run["approval_id"]) == ("acted", True, approval["id"])
    row = demo.row("select * from incidents where id = %s", incident)
    assert (row["acknowledged_at"] - row["created_at"]).total_seconds() == 12 * 60
    document = demo.row("select * from postmortems where incident_id = %s", incident)
    assert (document["status"], document["version"]) == ("published", 2)
    assert demo.row("select done_by_name from action_items")["done_by_name"] == "Ana"


def test_what_is_open_in_the_past_waits_for_a_person(demo: Desk) -> None:
    row = demo.row("select * from incidents where id = %s", imported(demo, "INC-2104"))
    assert (row["status"], row["needs_human"]) == ("investigating", True)
    escalation = demo.row("select * from escalations")
    assert (escalation["acknowledged_at"], escalation["told_nobody"]) == (None, True)


@pytest.mark.parametrize(
    "values",
    [
        {"resolved_at": "2026-01-01T00:00:00Z"},
        {"acknowledged": {"at": "2126-01-01T00:00:00Z", "by": "ana@demo.example"}},
        {"submitted_by": "nobody@demo.example"},
        {"opened_at": None},
    ],
)
def test_what_cannot_have_been_is_not_imported(demo: Desk, values: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refused:
        imported(demo, "INC-2050", **values)
    assert refused.value.code == "invalid"
    assert demo.rows("select id from incidents") == []


def test_the_catalogues_restart_is_applied_and_rendered(desk: Desk) -> None:
    action = restart_action("payment-api", "http://127.0.0.1:8091")
    applied = desk.by(desk.ada, "apply_action", payload=action | {"service": "payment-api"})
    assert applied["action_id"] == desk.action
    rendered = desk.row(
        "select private.render_actions(%s, %s) as answer",
        desk.service,
        json.dumps([{"action_key": "restart_service", "parameters": [{"name": "instances", "value": "3"}]}]),
    )["answer"]
    assert rendered["problems"] == []
    (only,) = rendered["actions"]
    assert only["request"]["url"] == "http://127.0.0.1:8091/services/payment-api/restart"
    assert json.loads(only["request"]["body"]) == {"instances": 3}
    assert only["verify"]["expect"]["json"] == {"healthy": True, "instances": 3}
    assert only["secrets"] == ["ACTION_DEMO_TOKEN"]
