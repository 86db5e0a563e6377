"""Times: UTC everywhere, ISO 8601 on the wire, ages in words on the screen."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]
"""Anything that tells the time; tests pass their own."""


def utc_now() -> datetime:
    """Now, aware, in UTC."""
    return datetime.now(UTC)


def parse_instant(text: str) -> datetime:
    """An ISO 8601 text as an aware UTC time; digits below the microsecond are cut. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def to_iso(moment: datetime) -> str:
    """The wire form, to the millisecond: `2026-11-24T06:07:08.123Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def age_seconds(since: datetime, now: datetime) -> float:
    """Seconds from `since` to `now`, never negative (clocks of two machines differ)."""
    return max(0.0, (now - since).total_seconds())


def duration_words(seconds: float) -> str:
    """A length of time as a person says it: `0.4 s`, `12 s`, `3 min 5 s`, `2 h 10 min`, `4 d 3 h`."""
    seconds = max(0.0, seconds)
    if seconds < 10:
        return f"{seconds:.1f} s"
    span = timedelta(seconds=round(seconds))
    hours, rest = divmod(span.seconds, 3600)
    minutes, rest = divmod(rest, 60)
    units = [(span.days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    first = next((i for i, (count, _) in enumerate(units) if count), len(units) - 1)
    return " ".join(f"{count} {unit}" for count, unit in units[first : first + 2] if count)


def age_words(since: datetime, now: datetime) -> str:
    """How long ago: `just now`, `12 s ago`, `3 min ago`; one unit is enough."""
    seconds = age_seconds(since, now)
    if seconds < 2:
        return "just now"
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit} ago"
    return f"{int(seconds)} s ago"


def time_left_words(deadline: datetime, now: datetime) -> str:
    """What is left until a deadline: `2 h 10 min left`, or `passed 3 min ago`."""
    if deadline <= now:
        return f"passed {age_words(deadline, now)}"
    return f"{duration_words((deadline - now).total_seconds())} left"
