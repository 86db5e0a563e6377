"""Following one execution.

The thread reads Kestra's stream and keeps the newest observation. When the stream breaks it polls, says so
in `source`, and goes back to the stream with growing pauses.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from enum import Enum, auto
from typing import Protocol

from dashboard.domain.clock import Clock
from dashboard.domain.execution import Execution, is_older
from dashboard.errors import IncidentScribeError, UpstreamUnreachable
from dashboard.kestra_api.client import Frame
from dashboard.kestra_api.observation import Listener, Snapshot, Source
from dashboard.kestra_api.shared import FIRST_PAUSE_SECONDS, Shared

# A finished execution changes only by a restart.
_FINISHED_PAUSE_SECONDS = 5.0
# A stream that is closed sooner than this is no place to go back to at once.
_SHORT_STREAM_SECONDS = 2.0


class Followable(Protocol):
    """What a follower needs of the client."""

    def follow(self, execution_id: str) -> Iterator[Frame]: ...

    def get_execution(self, execution_id: str) -> Execution: ...


class _Stream(Enum):
    """How reading a stream ended."""

    FINISHED = auto()  # Kestra said that the execution has ended
    ALIVE = auto()  # it gave observations and then fell silent or was closed
    BROKEN = auto()  # it gave nothing


class Follower(Shared[Snapshot]):
    """One execution: the thread, the newest snapshot, who looks."""

    def __init__(
        self,
        api: Followable,
        execution_id: str,
        clock: Clock,
        linger_seconds: float,
        on_news: Listener | None = None,
    ) -> None:
        super().__init__(f"follow-{execution_id}", linger_seconds, on_news)
        self._api = api
        self._execution_id = execution_id
        self._clock = clock
        self._snapshot = Snapshot()

    def _current(self) -> Snapshot:
        return self._snapshot

    # The thread

    def _run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while self._is_wanted():
            begun = time.monotonic()
            ended = self._stream()
            if ended is _Stream.FINISHED:
                pause = FIRST_PAUSE_SECONDS
                self._rest(_FINISHED_PAUSE_SECONDS)
            elif ended is _Stream.ALIVE and time.monotonic() - begun >= _SHORT_STREAM_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            else:
                if ended is _Stream.BROKEN:
                    self._poll()
                pause = self._rest(pause)

    def _stream(self) -> _Stream:
        """Read the stream until it ends, falls silent or breaks."""
        result = _Stream.BROKEN
        try:
            for frame in self._api.follow(self._execution_id):
                if frame.execution is not None:
                    self._accept(frame.execution, Source.STREAMED)
                    result = _Stream.FINISHED if frame.kind == "end" else _Stream.ALIVE
                if not self._is_wanted():
                    break
        except UpstreamUnreachable:
            # Silence, as in every pause, or a broken connection: the next attempt tells them apart.
            return result
        except IncidentScribeError as error:
            self._fail(error)
            return _Stream.BROKEN
        return result

    def _poll(self) -> None:
        try:
            self._accept(self._api.get_execution(self._execution_id), Source.POLLED)
        except IncidentScribeError as error:
            self._fail(error)

    def _accept(self, execution: Execution, source: Source) -> None:
        with self._changed:
            current = self._snapshot.execution
            if current is not None and is_older(execution, current):
                return
            is_news = current is None or is_older(current, execution) or _differs(current, execution)
            had_error = self._snapshot.error is not None
            self._publish(
                replace(self._snapshot, execution=execution, as_of=self._clock(), source=source, error=None),
                is_news=is_news or had_error,
            )

    def _fail(self, error: IncidentScribeError) -> None:
        with self._changed:
            is_news = self._snapshot.error is None or type(self._snapshot.error) is not type(error)
            self._publish(replace(self._snapshot, error=error), is_news=is_news)

    def _publish(self, snapshot: Snapshot, *, is_news: bool) -> None:
        """Store a snapshot; tell everybody only if it is worth drawing. Called under the lock."""
        self._snapshot = replace(snapshot, version=snapshot.version + is_news)
        if is_news:
            self._tell()


def _differs(a: Execution, b: Execution) -> bool:
    """Neither is older: they differ only if another history was written, as after a restart."""
    return (a.state, len(a.history)) != (b.state, len(b.history))
