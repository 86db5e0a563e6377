"""What needs somebody, what runs, and how the last day compares: the answers behind the overview."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from pydantic import Field

from dashboard.domain.alarm import Alarm
from dashboard.domain.approval import ApprovalStatus, WaitingApproval
from dashboard.domain.incident import IncidentStatus
from dashboard.domain.severity import CHOICES, Severity
from dashboard.domain.shape import Instant, Shape, Texts

# A worker says every ten seconds that it is alive.
WORKER_SILENT_AFTER = timedelta(seconds=45)

DAYS = 8
"""Spans of 24 hours that the trend knows; the last one ends now."""


class Standing(Shape):
    """How many incidents are neither resolved nor closed, and what they are."""

    live: int = 0
    needing_people: int = 0
    awaiting_approval: int = 0
    critical: int = 0
    high: int = 0

    @property
    def sentence(self) -> str:
        """As one sentence for the head of a page."""
        if not self.live:
            return "No incident is open."
        need = "needs" if self.needing_people == 1 else "need"
        wait = "awaits" if self.awaiting_approval == 1 else "await"
        counted = (
            (self.critical, "CRITICAL"),
            (self.high, "HIGH"),
            (self.needing_people, f"{need} a person"),
            (self.awaiting_approval, f"{wait} approval"),
        )
        parts = [f"{count} {words}" for count, words in counted if count]
        is_open = "is open" if self.live == 1 else "are open"
        return f"{self.live} {is_open}" + (f": {', '.join(parts)}." if parts else ".")


class Attention(Shape):
    """A live incident that needs a person, and why."""

    id: str
    external_id: str
    service: str
    severity: Severity
    status: IncidentStatus
    title: str
    reason: str | None = None
    created_at: Instant
    holder: str | None = None
    is_mine: bool = False
    escalated_at: Instant | None = None
    told_nobody: bool = False
    told: Texts = ()
    failed_at: Instant | None = None
    failed_step: str | None = None
    since: Instant

    @property
    def is_anybodys(self) -> bool:
        """Nobody has taken it, or the reader has."""
        return self.is_mine or self.holder is None


class Stuck(Shape):
    """Work that is owed to the world outside and does not get there."""

    id: str
    kind: str
    created_at: Instant
    stuck_since: Instant
    attempts: int = 0
    last_error: str | None = None
    incident_id: str | None = None
    title: str | None = None
    service: str | None = None
    severity: Severity | None = None


class Running(Shape):
    """A run that has not ended."""

    incident_id: str
    external_id: str
    title: str
    service: str
    severity: Severity
    state: str
    step: str | None = None
    started_at: Instant
    reported_at: Instant | None = None


class Starting(Shape):
    """A run that is owed and that no execution has claimed yet."""

    incident_id: str
    external_id: str
    title: str
    service: str
    severity: Severity
    owed_since: Instant
    last_error: str | None = None


class LastDecision(Shape):
    id: str
    status: ApprovalStatus
    by: str | None = None
    at: Instant


class ModelReport(Shape):
    """How the model did in the last 24 hours."""

    asked: int = 0
    problems: int = 0
    model: str | None = None
    answered_at: Instant | None = None
    problem_at: Instant | None = None
    problem: str | None = None

    @property
    def is_silent(self) -> bool:
        """The newest word of it is a problem."""
        return self.problem_at is not None and (
            self.answered_at is None or self.problem_at > self.answered_at
        )


class Overview(Shape):
    """Everything the overview shows but its trend. `now` is the database's clock."""

    now: Instant
    standing: Standing = Field(default_factory=Standing)
    waiting: tuple[WaitingApproval, ...] = ()
    attention: tuple[Attention, ...] = ()
    stuck: tuple[Stuck, ...] = ()
    last_decision: LastDecision | None = None
    running: tuple[Running, ...] = ()
    starting: tuple[Starting, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    worker_seen_at: Instant | None = None
    model: ModelReport = Field(default_factory=ModelReport)

    @property
    def is_worker_silent(self) -> bool:
        """No worker has been heard of for longer than a few beats."""
        return self.worker_seen_at is None or self.now - self.worker_seen_at > WORKER_SILENT_AFTER


class Reported(Shape):
    """How many incidents of a severity were reported on a day, 0 the oldest."""

    day: int
    severity: Severity
    count: int


class Pace(Shape):
    """Medians in seconds of what ended today and in the seven days before; None where nothing ended."""

    today: float | None = None
    today_count: int = 0
    before: float | None = None
    before_count: int = 0
    days: tuple[float | None, ...] = ()


class Count(NamedTuple):
    """`today`, the mean of the seven `days` before it, and all eight."""

    today: int
    before: float
    days: tuple[int, ...]


class Trend(Shape):
    """The last 24 hours against the week before."""

    now: Instant
    reported: tuple[Reported, ...] = ()
    approved: Pace = Field(default_factory=Pace)
    resolved: Pace = Field(default_factory=Pace)

    def count(self, *severities: Severity) -> Count:
        """Incidents reported of these severities; of all when none is named."""
        days = [0] * DAYS
        for entry in self.reported:
            if 0 <= entry.day < DAYS and (not severities or entry.severity in severities):
                days[entry.day] += entry.count
        return Count(days[-1], sum(days[:-1]) / (DAYS - 1), tuple(days))

    def by_severity(self) -> tuple[tuple[Severity, Count], ...]:
        """Each severity a person can choose, gravest first; what was not understood counts as HIGH."""
        return tuple(
            (level, self.count(level, Severity.UNKNOWN) if level is Severity.HIGH else self.count(level))
            for level in reversed(CHOICES)
        )
