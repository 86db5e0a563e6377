"""A stretch of whole days of UTC."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import NamedTuple


class Span(StrEnum):
    """How a period is chosen; the words stand on the screen and in the address."""

    WEEK = "7 days"
    MONTH = "30 days"
    QUARTER = "90 days"
    CUSTOM = "other days"

    @property
    def days(self) -> int:
        """How many days, today among them; 0 for one that is chosen by its days."""
        return _DAYS[self]


_DAYS = {Span.WEEK: 7, Span.MONTH: 30, Span.QUARTER: 90, Span.CUSTOM: 0}
LONGEST_DAYS = 1096


class Period(NamedTuple):
    """From the first to the last day, both whole."""

    first: date
    last: date

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def since(self) -> datetime:
        """The moment it begins."""
        return datetime.combine(self.first, time(), UTC)

    @property
    def until(self) -> datetime:
        """The moment after it."""
        return datetime.combine(self.last + timedelta(days=1), time(), UTC)

    def before(self) -> Period:
        """The period of the same length that ends where this one begins."""
        length = timedelta(days=self.days)
        return Period(self.first - length, self.last - length)


def ending(today: date, days: int) -> Period:
    """So many days, the last of which is today."""
    return Period(today - timedelta(days=days - 1), today)


def between(first: date, last: date, today: date) -> Period:
    """Two days in any order, cut to what has happened and to three years."""
    begin, end = sorted((min(first, today), min(last, today)))
    return Period(max(begin, end - timedelta(days=LONGEST_DAYS - 1)), end)
