"""An incident with everything that moves around it."""

from __future__ import annotations

from typing import NamedTuple

from supabase import Client

from dashboard.domain.action import ActionRun
from dashboard.domain.analysis import AiAnalysis
from dashboard.domain.approval import Approval
from dashboard.domain.execution import Escalation, ExecutionRecord
from dashboard.domain.incident import Incident
from dashboard.store import approvals, executions, incidents, postmortems
from dashboard.store.executions import Owed


class Case(NamedTuple):
    """The incident, its runs and approvals (newest first), and the latest start that was asked for."""

    incident: Incident
    runs: tuple[ExecutionRecord, ...]
    start: Owed | None
    approvals: tuple[Approval, ...]

    @property
    def run(self) -> ExecutionRecord | None:
        """The latest run."""
        return self.runs[0] if self.runs else None

    @property
    def is_starting(self) -> bool:
        """A run is owed that no execution has claimed yet."""
        return self.start is not None and self.start.is_owed

    @property
    def is_moving(self) -> bool:
        """Whether anything is going to change without a person."""
        return (
            self.is_starting
            or any(run.ended_at is None for run in self.runs)
            or any(approval.is_being_delivered for approval in self.approvals)
        )

    @property
    def mark(self) -> tuple[object, ...]:
        """Equal as long as there is nothing new to draw on a page that stands still."""
        return (self.is_moving, self.incident.version, len(self.runs), len(self.approvals))


class Findings(NamedTuple):
    """What a case has brought to light and what was done about it."""

    analysis: AiAnalysis | None
    action_runs: tuple[ActionRun, ...]
    escalations: tuple[Escalation, ...]


def get_case(user: Client, incident_id: str) -> Case:
    """Read a case. Raises NotFound."""
    return Case(
        incidents.get_incident(user, incident_id),
        executions.list_executions(user, incident_id),
        executions.find_start(user, incident_id),
        approvals.list_approvals(user, incident_id),
    )


def get_findings(user: Client, incident_id: str) -> Findings:
    """Read what was found and done."""
    return Findings(
        postmortems.find_analysis(user, incident_id),
        executions.list_action_runs(user, incident_id),
        executions.list_escalations(user, incident_id),
    )
