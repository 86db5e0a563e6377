"""What Insights counts over a period, as the database answers it, and what each number means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pydantic import Field

from dashboard.domain.approval import ApprovalStatus
from dashboard.domain.severity import Severity
from dashboard.domain.shape import Instant, Shape


class Spread(Shape):
    """How long something took; None where nothing was counted."""

    count: int = 0
    median_seconds: float | None = None
    p90_seconds: float | None = None


class Change(Shape):
    """A spread of the period, and the one of the period before."""

    now: Spread = Spread()
    before: Spread = Spread()

    @property
    def seconds(self) -> float | None:
        """By how much the median has grown; negative is faster. None where one of them is missing."""
        if self.now.median_seconds is None or self.before.median_seconds is None:
            return None
        return self.now.median_seconds - self.before.median_seconds


class Week(Shape):
    """An ISO week of UTC, cut by the period: `since` ≤ reported < `until`."""

    week: str
    since: Instant
    until: Instant
    count: int = 0
    severities: dict[Severity, int] = Field(default_factory=dict)
    acknowledge: Spread = Spread()
    resolve: Spread = Spread()


class Group(Shape):
    """Incidents of one service or of one severity; `reports` counts each time one was reported."""

    service: str = ""
    severity: Severity = Severity.UNKNOWN
    count: int
    reports: int
    unresolved: int
    acknowledge: Spread = Spread()
    resolve: Spread = Spread()


class Outcome(Shape):
    """Approvals of one status and outcome; `none`: nothing has come of it."""

    status: ApprovalStatus
    outcome: str
    count: int


class Approvals(Shape):
    """The approvals asked for in the period, and how many in the one before."""

    count: int = 0
    before: int = 0
    groups: tuple[Outcome, ...] = ()


class ModelUse(Shape):
    """Runs and tokens of one model."""

    model: str
    runs: int
    total_tokens: int


class Model(Shape):
    """Tokens of the runs of the period's incidents; `incidents` is how many had any."""

    incidents: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    models: tuple[ModelUse, ...] = ()


class Insights(Shape):
    """The answer of `insights`. `facts` are counts by name, each also a filter of the list of incidents."""

    since: Instant
    until: Instant
    before_since: Instant
    before_until: Instant
    as_of: Instant
    count: int = 0
    before: int = 0
    reports: int = 0
    facts: dict[str, int] = Field(default_factory=dict)
    acknowledge: Change = Change()
    approve: Change = Change()
    resolve: Change = Change()
    weeks: tuple[Week, ...] = ()
    severities: tuple[Group, ...] = ()
    services: tuple[Group, ...] = ()
    service_count: int = 0
    approvals: Approvals = Approvals()
    model: Model = Model()

    def fact(self, name: str) -> int:
        """How many incidents of the period this may be said of."""
        return self.facts.get(name, 0)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was reported and nothing was asked for."""
        return not self.count and not self.approvals.count


DEFINITIONS: Final[Mapping[str, str]] = {
    "Period": (
        "Incidents count in the period in which they were first reported, approvals in the one in which "
        "they were asked for. A day is a day of UTC. The period before has the same length and, where "
        "this one is not over yet, ends at the same time of its last day."
    ),
    "Time to acknowledge (MTTA)": (
        "From the first report until somebody acknowledged for the first time, also where that was "
        "before the run began. What was never acknowledged is not in it and is counted beside it."
    ),
    "Time to approve": (
        "From the question until the decision, approved or rejected. Expired, cancelled and waiting ones "
        "have no decision and are not in it."
    ),
    "Time to resolve (MTTR)": (
        "From the first report until it was resolved, by flow or person, or closed without that. One "
        "that was reopened counts when it is resolved again, with the whole time since its first report. "
        "What is still open is not in it and is counted beside it."
    ),
    "Median and 9 of 10": (
        "Half took no longer than the median; nine of ten took no longer than the other number. Both lie "
        "between two values where the count asks for it."
    ),
    "Clocks": (
        "A time that would be negative, such as acknowledged before reported, is left out and counted "
        "beside it."
    ),
    "Incidents and reports": (
        "A problem that is reported again while it is open joins its incident: one incident, one report more."
    ),
    "Weeks": (
        "ISO weeks of UTC, Monday to Sunday. The first and the last are cut where the period begins and ends."
    ),
    "Escalated to nobody": (
        "The flow handed the incident to people and nobody acknowledged it, also if it was resolved since."
    ),
    "Model failures": (
        "Incidents of which at least one run had an answer that could not be used. One incident may have "
        "several kinds of failure."
    ),
    "Tokens": ("As the model counted them, over all steps of all runs of these incidents."),
    "Imported history": (
        "Incidents that were not handled here are in all numbers, with the times of their import."
    ),
}
"""Everything counted, in words: shown on the page, and as help beside the numbers."""
