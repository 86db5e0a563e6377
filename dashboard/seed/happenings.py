"""When things went wrong in the demo's past and what people did then, read from `history.toml`."""

from __future__ import annotations

import re
import tomllib
from datetime import UTC, datetime, timedelta
from typing import Literal

from pydantic import TypeAdapter

from dashboard.domain.severity import Severity
from dashboard.domain.shape import Shape
from dashboard.seed.scenarios import PastText, Scenario, read, read_scenarios, read_told

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_WEEK = re.compile(r"w(?P<weeks>\d) (?P<day>[A-Z][a-z]{2}) (?P<hour>\d\d):(?P<minute>\d\d)")
_HOURS = re.compile(r"-(?P<hours>\d+)h")

End = Literal["approved", "rejected", "expired", "cancelled", "unknown", "auto", "escalated", "failed"]


class Happening(Shape):
    """One line of the file, whose head says what each word means. Minutes count from the report."""

    id: str
    story: str
    at: str
    end: End
    service: str | None = None
    severity: Severity | None = None
    by: str | None = None
    ask: float = 2
    decide: float | None = None
    decider: str | None = None
    reason: str | None = None
    cause: str | None = None
    ended: float | None = None
    failure: str | None = None
    ack: float | None = None
    taker: str | None = None
    resolve: float | None = None
    resolver: str | None = None
    reopen: float | None = None
    again: float | None = None
    reports: int = 1
    host: str = ""
    release: str = ""
    count: int = 0
    note: str | None = None
    needs: str | None = None
    document: Literal["published", "in_review"] | None = None
    author: str | None = None
    lessons: str | None = None
    items: tuple[str, ...] = ()

    def opened_at(self, today: datetime) -> datetime:
        """The moment of the report, seen from `today` (UTC). Raises ValueError for another form."""
        if found := _HOURS.fullmatch(self.at):
            return (today - timedelta(hours=int(found["hours"]))).replace(second=0, microsecond=0)
        found = _WEEK.fullmatch(self.at)
        if found is None:
            raise ValueError(f"{self.id}: {self.at} is no moment.")
        monday = (today - timedelta(days=today.weekday())).date()
        day = monday - timedelta(weeks=int(found["weeks"]), days=-_DAYS.index(found["day"]))
        return datetime(day.year, day.month, day.day, int(found["hour"]), int(found["minute"]), tzinfo=UTC)

    def text(self, scenarios: dict[str, Scenario], told: dict[str, PastText]) -> PastText:
        """What was written about it. Raises KeyError for a story that nobody tells."""
        if self.story in told:
            return told[self.story]
        if self.service is None or self.severity is None:
            raise ValueError(f"{self.id}: a scenario needs service and severity.")
        values = {
            "service": self.service,
            "host": self.host,
            "release": self.release,
            "count": str(self.count),
        }
        context = {name: value for name, value in values.items() if value and name in ("host", "release")}
        return scenarios[self.story].filled(values).text(self.id, self.service, self.severity, context)


def read_happenings() -> list[tuple[Happening, PastText]]:
    """All incidents of the demo's past with their texts, oldest first."""
    lines = tomllib.loads(read("history.toml"))["incidents"]
    happenings = TypeAdapter(list[Happening]).validate_python(lines)
    scenarios, told = read_scenarios(), read_told()
    return [(happening, happening.text(scenarios, told)) for happening in happenings]
