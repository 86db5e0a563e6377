"""What would happen to an incident, as the database says before it is submitted."""

from __future__ import annotations

from typing import Literal

from dashboard.domain.action import Risk
from dashboard.domain.clock import duration_words
from dashboard.domain.incident import IncidentStatus
from dashboard.domain.severity import Severity
from dashboard.domain.shape import Instant, Shape, Texts


class PreviewedService(Shape):
    """The service, where its name is known."""

    name: str
    owner: str
    tier: int
    runbook_url: str | None = None


class PossibleAction(Shape):
    """An action of the service's catalogue."""

    title: str
    risk: Risk


class Branch(Shape):
    """Which way the flow goes for one severity; which fields are filled depends on what it does."""

    severity: Severity
    does: Literal["act", "ask", "escalate"]
    why: str | None = None
    actions: tuple[PossibleAction, ...] = ()
    told: Texts = ()
    deciders: Texts = ()
    approvals_required: int = 1
    minutes_to_decide: int = 60

    @property
    def low_risk_actions(self) -> list[str]:
        return [action.title for action in self.actions if action.risk is Risk.LOW]

    @property
    def lacks_deciders(self) -> bool:
        """It would ask, and there are not enough people who may answer."""
        return self.does == "ask" and len(self.deciders) < self.approvals_required

    @property
    def time_to_decide(self) -> str:
        return duration_words(self.minutes_to_decide * 60)

    def summary(self) -> str:
        """In one line, beside the choice of the severity."""
        if self.does == "ask":
            if self.lacks_deciders:
                return "Stops and asks for approval, but nobody may decide."
            people = _some(self.deciders)
            return f"Stops and asks {people}; {self.time_to_decide} to decide."
        if self.does == "act":
            if not self.low_risk_actions:
                return "Escalates to people: nothing of low risk is in the service's catalogue."
            return "May act by itself, with low risk only; otherwise escalates."
        if self.severity is Severity.LOW:
            return f"Escalates to people. {self.why or ''}".strip()
        at_once = " at once" if self.severity is Severity.CRITICAL else ""
        return f"Escalates to people{at_once}; nothing is carried out."


class Twin(Shape):
    """The open incident that the report would join, and what joining it does."""

    incident_id: str
    external_id: str
    title: str
    severity: Severity
    status: IncidentStatus
    opened_at: Instant
    occurrences: int
    effect: Literal["raised", "run", "counted"]
    same_id: bool = False

    def consequence(self) -> str:
        """What one more report of it does."""
        if self.effect == "raised":
            return (
                f"The severity is higher than its {self.severity}: it is raised, "
                "a pending approval is cancelled, and a new run takes over."
            )
        if self.effect == "run":
            return "No run of it is live, so a new one starts."
        return "Its run is live, so no other one starts."


class Preview(Shape):
    """The answer of `preview_submission`; `service` is None for a name nobody has set up."""

    service: PreviewedService | None = None
    branches: tuple[Branch, ...] = ()
    twin: Twin | None = None

    def branch(self, severity: Severity) -> Branch | None:
        return next((branch for branch in self.branches if branch.severity is severity), None)


def _some(names: Texts, most: int = 3) -> str:
    """`Ana, Ben or Ada`; of many the first few, and how many more."""
    if len(names) > most:
        return f"{', '.join(names[:most])} or {len(names) - most} others"
    return " or ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)
