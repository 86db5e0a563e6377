"""How often something is due, and trouble that is told once."""

from __future__ import annotations

import logging
import time

from dashboard.errors import IncidentScribeError

log = logging.getLogger(__name__)


class Every:
    """True at the first question, and then once in so many seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._next = float("-inf")

    def is_due(self) -> bool:
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + self._seconds
        return True

    def left(self, at_least: float) -> float:
        """Seconds until it is due, or `at_least` so many."""
        return max(at_least, self._next - time.monotonic())


class Trouble:
    """Says once that something does not work, and once that it works again."""

    def __init__(self, subject: str) -> None:
        self._subject = subject
        self._last: str | None = None

    @property
    def last(self) -> str | None:
        """What does not work now, or None."""
        return self._last

    def raised(self, error: IncidentScribeError) -> None:
        if str(error) != self._last:
            log.warning("trouble with %s: %s", self._subject, error)
        self._last = str(error)

    def passed(self) -> None:
        if self._last is not None:
            log.info("no more trouble with %s", self._subject)
        self._last = None
