"""A thread that follows one execution.

It reads Kestra's stream and keeps the newest observation. When the stream breaks it polls, says so
in `source`, and goes back to the stream with growing pauses. It ends some time after the last look.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from enum import Enum, auto
from typing import Protocol

from dashboard.domain.clock import Clock
from dashboard.domain.execution import Execution, LogLine, is_older
from dashboard.errors import IncidentScribeError, UpstreamUnreachable
from dashboard.kestra_api.client import Frame
from dashboard.kestra_api.observation import Listener, LogSnapshot, Snapshot, Source

log = logging.getLogger(__name__)

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 3.0
# A finished execution changes only by a restart.
_FINISHED_PAUSE_SECONDS = 5.0
_LOG_AGE_SECONDS = 1.0
# The flow's requests and scripts log at DEBUG, stack traces at TRACE.
_LOG_LEVEL = "DEBUG"


class Followable(Protocol):
    """What a follower needs of the client."""

    def follow(self, execution_id: str) -> Iterator[Frame]: ...

    def get_execution(self, execution_id: str) -> Execution: ...

    def list_logs(self, execution_id: str, *, min_level: str) -> tuple[LogLine, ...]: ...


class _Stream(Enum):
    """How reading a stream ended."""

    FINISHED = auto()  # Kestra said that the execution has ended
    ALIVE = auto()  # it gave observations and then fell silent or was closed
    BROKEN = auto()  # it gave nothing


class Follower:
    """One execution: the thread, the newest snapshot, who looks."""

    def __init__(
        self,
        api: Followable,
        execution_id: str,
        clock: Clock,
        linger_seconds: float,
        on_news: Listener | None = None,
    ) -> None:
        self._api = api
        self._on_news = on_news
        self._execution_id = execution_id
        self._clock = clock
        self._linger_seconds = linger_seconds
        self._changed = threading.Condition()
        self._snapshot = Snapshot()
        self._listeners: dict[int, Listener] = {}
        self._next_listener = 0
        self._last_look = time.monotonic()
        self._stopped = False
        self._log_lock = threading.Lock()
        self._logs = LogSnapshot()
        self._logs_read_at = float("-inf")
        self._thread = threading.Thread(target=self._run, name=f"follow-{execution_id}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def touch(self) -> bool:
        """Count a look. False when this follower has already ended and another must be made."""
        with self._changed:
            self._last_look = time.monotonic()
            return not self._stopped

    @property
    def has_ended(self) -> bool:
        with self._changed:
            return self._stopped

    def snapshot(self) -> Snapshot:
        with self._changed:
            return self._snapshot

    def wait_for_change(self, after_version: int, timeout_seconds: float) -> Snapshot:
        with self._changed:
            self._changed.wait_for(lambda: self._snapshot.version > after_version, timeout_seconds)
            return self._snapshot

    def listen(self, listener: Listener) -> int:
        with self._changed:
            self._next_listener += 1
            self._listeners[self._next_listener] = listener
            return self._next_listener

    def unlisten(self, number: int) -> None:
        with self._changed:
            self._listeners.pop(number, None)
            self._last_look = time.monotonic()

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def join(self, timeout_seconds: float) -> None:
        self._thread.join(timeout_seconds)

    def logs(self) -> LogSnapshot:
        """The log lines, read from Kestra at most once a second however many look."""
        with self._log_lock:
            if time.monotonic() - self._logs_read_at >= _LOG_AGE_SECONDS:
                try:
                    self._logs = LogSnapshot(
                        self._api.list_logs(self._execution_id, min_level=_LOG_LEVEL), self._clock()
                    )
                except IncidentScribeError as error:
                    self._logs = replace(self._logs, error=error)
                self._logs_read_at = time.monotonic()
            return self._logs

    # The thread

    def _run(self) -> None:
        pause = _FIRST_PAUSE_SECONDS
        try:
            while self._is_wanted():
                ended = self._stream()
                if ended is _Stream.BROKEN:
                    self._poll()
                    pause = self._rest(pause)
                else:
                    pause = _FIRST_PAUSE_SECONDS
                    if ended is _Stream.FINISHED:
                        self._rest(_FINISHED_PAUSE_SECONDS)
        except Exception:
            log.exception("following %s ended", self._execution_id)
        finally:
            self.stop()

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

    def _rest(self, pause: float) -> float:
        """Wait, unless told to stop; returns the pause after this one."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped, pause)
        return min(pause * 2, _LONGEST_PAUSE_SECONDS)

    def _is_wanted(self) -> bool:
        with self._changed:
            watched = bool(self._listeners) or time.monotonic() - self._last_look < self._linger_seconds
            if not watched:
                # Decided under the lock, so that a look that comes now makes a new follower.
                self._stopped = True
            return not self._stopped

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
        self._snapshot = replace(snapshot, version=snapshot.version + 1) if is_news else snapshot
        if not is_news:
            return
        self._changed.notify_all()
        always = (self._on_news,) if self._on_news else ()
        for listener in (*always, *self._listeners.values()):
            try:
                listener(self._snapshot)
            except Exception:
                log.exception("a listener of %s failed", self._execution_id)


def _differs(a: Execution, b: Execution) -> bool:
    """Neither is older: they differ only if another history was written, as after a restart."""
    return (a.state, len(a.history)) != (b.state, len(b.history))
