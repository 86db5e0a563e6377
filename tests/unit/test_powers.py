"""What people can do to an incident and its run, and why not just now."""

from __future__ import annotations

from typing import Any

import pytest

from dashboard.domain.clock import parse_instant
from dashboard.domain.execution import ExecutionRecord
from dashboard.domain.incident import Incident
from dashboard.domain.powers import (
    Change,
    Command,
    Power,
    Standing,
    general_objection,
    is_same_for,
    objection,
)
from dashboard.domain.role import Role

NOW = "2026-11-24T10:00:00Z"


def incident(**fields: Any) -> Incident:
    base = {
        "id": "i",
        "organization_id": "o",
        "external_id": "INC-1",
        "source": "desk",
        "service": "payment-api",
        "severity": "MEDIUM",
        "status": "investigating",
        "title": "Payments time out",
        "created_at": NOW,
    }
    return Incident.model_validate(base | fields)


def run(state: str = "RUNNING", *, ended: bool = False, owns: bool = True) -> ExecutionRecord:
    return ExecutionRecord(
        id="e",
        organization_id="o",
        incident_id="i",
        kestra_execution_id="k",
        state=state,
        owns=owns,
        ended_at=parse_instant(NOW) if ended else None,
    )


def standing(
    *,
    of: Incident | None = None,
    at: ExecutionRecord | None = None,
    live: bool = False,
    role: Role = Role.RESPONDER,
    owed: tuple[str, ...] = (),
    outage: str | None = None,
) -> Standing:
    return Standing(of or incident(), at, live, role, owed, outage)


def allowed(standing: Standing) -> set[Power]:
    return {power for power in (*Change, *Command) if objection(power, standing) is None}


def test_a_viewer_is_told_the_role_and_everybody_is_told_of_an_outage() -> None:
    assert "Your role is viewer" in (general_objection(standing(role=Role.VIEWER)) or "")
    assert "Supabase is away." in (general_objection(standing(outage="Supabase is away.")) or "")
    assert general_objection(standing()) is None


def test_while_a_run_is_at_work_it_can_be_killed_and_nothing_else_started() -> None:
    assert allowed(standing(at=run(), live=True)) == {*Change} - {Change.REOPEN} | {Command.KILL}


def test_after_a_failure_it_can_be_restarted_or_run_again() -> None:
    failed = standing(at=run("FAILED", ended=True))
    assert allowed(failed) & {*Command} == {Command.RESTART, Command.RUN_AGAIN}


@pytest.mark.parametrize("state", ["SUCCESS", "KILLED", "WARNING"])
def test_only_a_failure_can_go_on_from_its_step(state: str) -> None:
    assert allowed(standing(at=run(state, ended=True))) & {*Command} == {Command.RUN_AGAIN}


def test_a_superseded_run_is_not_restarted() -> None:
    assert Command.RESTART not in allowed(standing(at=run("FAILED", ended=True, owns=False)))


def test_what_was_asked_for_is_not_asked_twice() -> None:
    asked = standing(at=run(), live=True, owed=("kill",))
    assert objection(Command.KILL, asked) == "It was asked for already and is on its way."


@pytest.mark.parametrize("status", ["resolved", "closed"])
def test_what_is_over_can_be_noted_assigned_and_reopened(status: str) -> None:
    over = allowed(standing(of=incident(status=status), at=run("SUCCESS", ended=True)))
    assert over == {Change.NOTE, Change.ASSIGN, Change.REOPEN} | (
        {Change.CLOSE} if status == "resolved" else set()
    )


def test_who_acknowledged_it_is_named() -> None:
    taken = incident(acknowledged_at=NOW, acknowledged_by_name="Ana")
    assert objection(Change.ACKNOWLEDGE, standing(of=taken)) == "Ana has acknowledged it already."


def test_imported_history_is_not_run_again() -> None:
    imported = standing(of=incident(source="import"), at=run("FAILED", ended=True))
    assert "imported" in (objection(Command.RUN_AGAIN, imported) or "")


def test_what_the_flow_changed_meanwhile_stands_in_nobodys_way_unless_it_matters() -> None:
    seen, later = incident(version=3), incident(version=5, status="awaiting_approval")
    assert is_same_for(Change.ASSIGN, seen, later)
    assert is_same_for(Change.NOTE, seen, incident(version=9, severity="HIGH", status="closed"))
    assert not is_same_for(Change.RESOLVE, seen, later)
    assert not is_same_for(Change.ASSIGN, seen, incident(version=5, assigned_to="somebody"))
    assert not is_same_for(Change.SEVERITY, seen, incident(version=5, severity="HIGH"))
