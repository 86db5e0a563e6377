"""Incidents and approvals in lists: what was asked for, and what was found."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, NamedTuple

from pydantic import Field

from dashboard.domain.approval import ApprovalOutcome, ApprovalStatus
from dashboard.domain.incident import IncidentStatus
from dashboard.domain.overview import Standing
from dashboard.domain.severity import Severity
from dashboard.domain.shape import Instant, Shape


class IncidentFilters(NamedTuple):
    """What to look for; empty means everything.

    `fact` is a name that Insights counts; `mine` is what the reader reported, took or was given.
    """

    search: str = ""
    statuses: tuple[str, ...] = ()
    severities: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    fact: str | None = None
    mine: bool = False

    @property
    def is_narrow(self) -> bool:
        """Whether anything is left out."""
        return self != IncidentFilters()


class WaitsFor(Shape):
    """For whom an incident waits; `who` is None where nobody has taken it."""

    what: Literal["decision", "person"]
    you: bool = False
    who: str | None = None
    until: Instant | None = None
    approval_id: str | None = None


class ListedIncident(Shape):
    """An incident in a list, with its latest run."""

    id: str
    external_id: str
    source: str
    service: str
    severity: Severity
    status: IncidentStatus
    title: str
    needs_human: bool = False
    needs_human_reason: str | None = None
    occurrences: int = 1
    submitted_by_name: str | None = None
    created_at: Instant
    state: str | None = None
    step: str | None = None
    started_at: Instant | None = None
    ended_at: Instant | None = None
    starting_since: Instant | None = None
    waits_for: WaitsFor | None = None


class IncidentPage(Shape):
    """A page of a list. `count` stops at 1,000: then `are_more`. `now` is the database's clock."""

    now: Instant
    incidents: tuple[ListedIncident, ...] = ()
    count: int = 0
    are_more: bool = False
    standing: Standing = Field(default_factory=Standing)

    @property
    def count_words(self) -> str:
        """`1 incident`, `23 incidents`, `more than 1,000 incidents`."""
        if self.are_more:
            return f"more than {self.count:,} incidents"
        return "1 incident" if self.count == 1 else f"{self.count} incidents"


class ApprovalFilters(NamedTuple):
    """Which approvals to list; empty means all. An outcome `none`: nothing has come of it yet."""

    statuses: tuple[str, ...] = ()
    outcomes: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None


class ListedApproval(Shape):
    """An approval in a list, without its text."""

    id: str
    incident_id: str
    external_id: str
    service: str
    severity: Severity
    title: str
    summary: str | None = None
    status: ApprovalStatus
    cause: str | None = None
    created_at: Instant
    deadline_at: Instant
    requested_by_name: str | None = None
    decided_by_name: str | None = None
    decided_at: Instant | None = None
    decision_reason: str | None = None
    delivered_at: Instant | None = None
    outcome: ApprovalOutcome | None = None
    outcome_reason: str | None = None
