"""The demo's content against the database's own checks."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from dashboard.seed.catalogue import restart_action
from dashboard.seed.history import import_payload, read_past_incidents
from tests.sql.desk import Desk

TODAY = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)


@pytest.mark.parametrize("past", read_past_incidents(), ids=lambda past: past.external_id)
def test_a_past_incident_is_imported_once_with_all_that_it_cites(desk: Desk, past: Any) -> None:
    payload = import_payload(past, desk.organization, TODAY)
    first = desk.by_flow("import_incident", payload=payload)
    assert desk.by_flow("import_incident", payload=payload) == first
    incident = desk.row("select * from incidents where id = %s", first["incident_id"])
    assert (incident["status"], incident["severity"], incident["source"]) == (
        "resolved",
        past.severity,
        "import",
    )
    analysis = desk.row("select * from ai_analyses where incident_id = %s", first["incident_id"])
    assert len(analysis["evidence"]) == len(past.evidence)
    # Nothing that was cited fell away because its number did not exist.
    document = payload["documentation"]
    for section, sentences in document.items():
        assert [s["evidence"] for s in analysis["documentation"][section]] == [
            s["evidence"] for s in sentences
        ]
    assert analysis["completed_at"] is not None


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
