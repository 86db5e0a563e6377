"""The log of one execution as read so far: each line once, in order, and never more than fits."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable
from datetime import datetime

from dashboard.domain.execution import LogLine

MOST_LINES = 5_000
MOST_CHARACTERS = 2_000_000
MOST_IN_LINE = 20_000


class LogBook:
    """Takes lines however often and in whatever order they come; keeps the newest.

    `is_cut` once older ones were given up to keep within MOST_LINES and MOST_CHARACTERS.
    """

    def __init__(self) -> None:
        self._lines: list[LogLine] = []
        self._known: set[tuple[object, ...]] = set()
        self._characters = 0
        self._begins_at: datetime | None = None  # lines up to here were given up

    @property
    def is_cut(self) -> bool:
        return self._begins_at is not None

    def lines(self) -> tuple[LogLine, ...]:
        """Oldest first."""
        return tuple(self._lines)

    def add(self, lines: Iterable[LogLine]) -> bool:
        """Whether any of them was new."""
        added = False
        for line in lines:
            added = self._add(line) or added
        self._give_up_oldest()
        return added

    def _add(self, line: LogLine) -> bool:
        if len(line.message) > MOST_IN_LINE:
            cut = f"{line.message[:MOST_IN_LINE]} … ({len(line.message)} characters)"
            line = line.model_copy(update={"message": cut})
        name = _name(line)
        if name in self._known or (self._begins_at and line.at <= self._begins_at):
            return False
        self._known.add(name)
        self._characters += len(line.message)
        insort(self._lines, line, key=lambda known: known.at)
        return True

    def _give_up_oldest(self) -> None:
        count, characters = 0, self._characters
        while len(self._lines) - count > MOST_LINES or characters > MOST_CHARACTERS:
            characters -= len(self._lines[count].message)
            count += 1
        if count:
            given_up, self._lines = self._lines[:count], self._lines[count:]
            self._known.difference_update(map(_name, given_up))
            self._characters = characters
            self._begins_at = given_up[-1].at


def _name(line: LogLine) -> tuple[object, ...]:
    return (line.at, line.task_run_id, line.attempt, line.level, line.message)
