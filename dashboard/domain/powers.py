"""What people can do to an incident and its run, and in words why not just now.

The database decides; this says beforehand what it would answer, so that nobody types for nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from dashboard.domain.execution import ExecutionRecord
from dashboard.domain.incident import Incident, IncidentStatus
from dashboard.domain.role import Role


class Change(StrEnum):
    """A change of the incident; the values are those of `update_incident`."""

    ACKNOWLEDGE = "acknowledge"
    ASSIGN = "assign"
    NOTE = "note"
    SEVERITY = "severity"
    RESOLVE = "resolve"
    REOPEN = "reopen"
    CLOSE = "close"


class Command(StrEnum):
    """What is asked of a run; the values are those of `request_command`."""

    KILL = "kill"
    RESTART = "restart"
    RUN_AGAIN = "run_again"


Power = Change | Command


@dataclass(frozen=True, slots=True)
class Standing:
    """What decides who may do what now.

    `owed` are the commands already on their way; `outage` is why nothing can be stored just now.
    """

    incident: Incident
    run: ExecutionRecord | None
    has_live_run: bool
    role: Role
    owed: Collection[str] = ()
    outage: str | None = None


def general_objection(standing: Standing) -> str | None:
    """Why this person can do nothing at all here, or None."""
    if not standing.role.includes(Role.RESPONDER):
        return f"Your role is {standing.role}: you can read everything here; acting needs a responder."
    if standing.outage:
        return f"{standing.outage} Nothing can be changed until it answers again."
    return None


def objection(power: Power, standing: Standing) -> str | None:
    """Why this cannot be done as the incident and its run stand, or None."""
    if isinstance(power, Command):
        return _objection_to_command(power, standing)
    incident, is_open = standing.incident, standing.incident.status.is_live
    match power:
        case Change.ACKNOWLEDGE:
            if not is_open:
                return f"The incident is {incident.status}."
            if incident.acknowledged_at:
                return f"{incident.acknowledged_by_name or 'Somebody'} has acknowledged it already."
        case Change.SEVERITY | Change.RESOLVE if not is_open:
            return f"The incident is {incident.status}: reopen it first."
        case Change.REOPEN if is_open:
            return "The incident is open."
        case Change.CLOSE if incident.status is IncidentStatus.CLOSED:
            return "The incident is closed already."
        case _:
            pass
    return None


def _objection_to_command(command: Command, standing: Standing) -> str | None:
    run, incident = standing.run, standing.incident
    if command.value in standing.owed:
        return "It was asked for already and is on its way."
    if command is Command.KILL:
        if run is None or run.ended_at is not None:
            return "No run is at work."
        return None
    if incident.source == "import":
        return "This incident was imported from history; its run was not handled here."
    if not incident.status.is_live:
        return f"The incident is {incident.status}: reopen it first."
    if standing.has_live_run:
        return "A run is at work or about to start: kill it first."
    if command is Command.RESTART and (run is None or run.state != "FAILED" or not run.owns):
        return "Only a run that failed can go on from its failed step."
    return None


_CONCERNS = {
    Change.ACKNOWLEDGE: ("acknowledged_at",),
    Change.ASSIGN: ("assigned_to",),
    Change.NOTE: (),  # it takes nothing away from anybody
    Change.SEVERITY: ("severity", "status"),
    Change.RESOLVE: ("severity", "status", "needs_human_reason", "assigned_to"),
    Change.REOPEN: ("status",),
    Change.CLOSE: ("severity", "status", "needs_human_reason", "assigned_to"),
}


def is_same_for(change: Change, seen: Incident, current: Incident) -> bool:
    """Whether all that a person who makes this change relied on still stands as they saw it."""
    return all(getattr(seen, field) == getattr(current, field) for field in _CONCERNS[change])
