"""`news()` of the database onto the board: one thread, two questions a second for each organization watched.

Asked with the token of somebody who watches: the web part has no key of its own.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dashboard.errors import IncidentScribeError, UpstreamUnreachable
from dashboard.live.board import Board
from dashboard.live.topics import Kind, Topic

log = logging.getLogger(__name__)

PAUSE_SECONDS = 0.5
_SILENT_AFTER = 5  # failed questions in a row: one lost answer is not worth a run of every page
_WAKE_EVERY = 10  # pauses, while nothing answers

Ask = Callable[[], int | None]
"""The number of the asker's organization; None where the asker is signed out. Raises errors of our tree."""


class _Organization:
    """Who watches it."""

    def __init__(self) -> None:
        self.askers: dict[int, Ask] = {}
        self.failures = 0
        self.woken_at = float("-inf")
        self.again_at = float("inf")


class NewsFeed:
    """Publishes an organization's topic when its number has changed, while anybody watches."""

    def __init__(self, board: Board, pause_seconds: float = PAUSE_SECONDS) -> None:
        self._board = board
        self._pause_seconds = pause_seconds
        self._lock = threading.Condition()
        self._organizations: dict[str, _Organization] = {}
        # Kept when the last one leaves: what changes until somebody comes is news to them.
        self._heard: dict[str, int] = {}
        self._next = 0
        self._thread: threading.Thread | None = None

    @contextmanager
    def watching(self, organization_id: str, ask: Ask) -> Iterator[None]:
        """Ask for this organization as long as this lasts; `ask` is one of the ways to do so."""
        with self._lock:
            self._next += 1
            number = self._next
            self._organizations.setdefault(organization_id, _Organization()).askers[number] = ask
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="news", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                organization = self._organizations[organization_id]
                del organization.askers[number]
                if not organization.askers:
                    del self._organizations[organization_id]
                self._lock.notify_all()

    # The thread

    def _run(self) -> None:
        while organizations := self._watched():
            for organization_id, organization in organizations:
                try:
                    self._look(organization_id, organization)
                except Exception:
                    log.exception("asking for news failed")
            with self._lock:
                self._lock.wait_for(lambda: not self._organizations, self._pause_seconds)

    def _watched(self) -> list[tuple[str, _Organization]]:
        """The organizations to ask for; when there are none the thread ends, decided under the lock."""
        with self._lock:
            if not self._organizations:
                self._thread = None
            return list(self._organizations.items())

    def _look(self, organization_id: str, organization: _Organization) -> None:
        try:
            number = self._asked(organization)
        except UpstreamUnreachable:
            # Pages find out for themselves and say how old they are: they are woken for that now and then.
            organization.failures += 1
            told_long_ago = time.monotonic() - organization.woken_at >= _WAKE_EVERY * self._pause_seconds
            if organization.failures >= _SILENT_AFTER and told_long_ago:
                organization.woken_at = time.monotonic()
                self._publish(organization_id)
            return
        was_silent, organization.failures = organization.failures >= _SILENT_AFTER, 0
        if number is None:
            return
        changed = number != self._heard.get(organization_id)
        self._heard[organization_id] = number
        now = time.monotonic()
        is_due = now >= organization.again_at
        if is_due:
            organization.again_at = float("inf")
        if was_silent:
            # A page that was just told that nothing answers leaves it alone for a while.
            organization.again_at = now + _WAKE_EVERY * self._pause_seconds
        if changed or was_silent or is_due:
            self._publish(organization_id)

    def _asked(self, organization: _Organization) -> int | None:
        """The number, by the first asker who gets an answer. Raises UpstreamUnreachable."""
        with self._lock:
            askers = tuple(organization.askers.values())
        for ask in askers:
            try:
                number = ask()
            except UpstreamUnreachable:
                raise
            except IncidentScribeError as error:
                log.debug("one who watches may not ask for news: %s", error.what)
                continue
            if number is not None:
                return number
        return None

    def _publish(self, organization_id: str) -> None:
        self._board.publish(Topic(Kind.ORGANIZATION, organization_id))
