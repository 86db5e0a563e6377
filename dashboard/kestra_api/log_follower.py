"""Following the log of one execution: the stored lines first, then each as it is written."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Protocol

from dashboard.domain.clock import Clock
from dashboard.domain.execution import LogLine
from dashboard.errors import IncidentScribeError, UpstreamUnreachable
from dashboard.kestra_api.log_book import LogBook
from dashboard.kestra_api.observation import LogSnapshot, Source
from dashboard.kestra_api.shared import FIRST_PAUSE_SECONDS, Shared

# The flow's requests and scripts log at DEBUG, stack traces at TRACE.
LEVEL = "DEBUG"
_SHORT_STREAM_SECONDS = 2.0


class LogFollowable(Protocol):
    """What a follower of a log needs of the client."""

    def follow_logs(self, execution_id: str, *, min_level: str) -> Iterator[LogLine | None]: ...

    def list_logs(self, execution_id: str, *, min_level: str) -> tuple[LogLine, ...]: ...


class LogFollower(Shared[LogSnapshot]):
    """The log of one execution from DEBUG up.

    Kestra's stream begins with all lines so far, so that coming back to it fills every gap. It has no end:
    it is left after a silence and opened again, as long as somebody looks.
    """

    def __init__(
        self,
        api: LogFollowable,
        execution_id: str,
        clock: Clock,
        linger_seconds: float,
        on_news: Callable[[], object] | None = None,
    ) -> None:
        """`on_news` is told that there is news, not which: a snapshot for every line would cost too much."""
        super().__init__(f"log-{execution_id}", linger_seconds)
        self._on_line = on_news
        self._api = api
        self._execution_id = execution_id
        self._clock = clock
        self._book = LogBook()
        self._snapshot = LogSnapshot()

    def _current(self) -> LogSnapshot:
        if self._snapshot.version != self._version:
            # Made when somebody looks, not for each of a thousand lines that nobody sees.
            self._snapshot = replace(
                self._snapshot,
                lines=self._book.lines(),
                is_cut=self._book.is_cut,
                version=self._version,
            )
        return self._snapshot

    def _tell(self) -> None:
        super()._tell()
        if self._on_line and not self._stopped:
            self._on_line()

    # The thread

    def _run(self) -> None:
        self._poll()
        pause = FIRST_PAUSE_SECONDS
        while self._is_wanted():
            begun = time.monotonic()
            is_alive = self._stream()
            if is_alive and time.monotonic() - begun >= _SHORT_STREAM_SECONDS:
                pause = FIRST_PAUSE_SECONDS
                continue
            if not is_alive:
                self._poll()
            pause = self._rest(pause)

    def _stream(self) -> bool:
        """Read the stream until it falls silent or breaks; whether it was one."""
        is_alive = False
        try:
            for line in self._api.follow_logs(self._execution_id, min_level=LEVEL):
                is_alive = True
                self._accept(() if line is None else (line,), Source.STREAMED)
                if not self._is_wanted():
                    break
        except UpstreamUnreachable:
            return is_alive
        except IncidentScribeError as error:
            self._fail(error)
            return False
        return is_alive

    def _poll(self) -> None:
        try:
            self._accept(self._api.list_logs(self._execution_id, min_level=LEVEL), Source.POLLED)
        except IncidentScribeError as error:
            self._fail(error)

    def _accept(self, lines: Iterable[LogLine], source: Source) -> None:
        with self._changed:
            known = self._snapshot
            is_news = self._book.add(lines) or known.as_of is None or known.error is not None
            self._snapshot = replace(known, as_of=self._clock(), source=source, error=None)
            if is_news:
                self._tell()

    def _fail(self, error: IncidentScribeError) -> None:
        with self._changed:
            is_news = type(self._snapshot.error) is not type(error)
            self._snapshot = replace(self._snapshot, error=error)
            if is_news:
                self._tell()
