"""A thread that watches one thing at Kestra for everybody in this process who looks at it."""

from __future__ import annotations

import logging
import random
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Generic, TypeVar

log = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 5.0

S = TypeVar("S")


class Shared(ABC, Generic[S]):
    """The thread, its newest snapshot, and who looks. It ends `linger_seconds` after the last look.

    A read that waits for a silent Kestra is not broken off: the thread may outlive its end by
    STREAM_SILENCE_SECONDS, in which it tells nobody anything.
    """

    def __init__(
        self, name: str, linger_seconds: float, on_news: Callable[[S], object] | None = None
    ) -> None:
        """`on_news` is told what listeners are told, and keeps nothing alive."""
        self._linger_seconds = linger_seconds
        self._on_news = on_news
        self._changed = threading.Condition()
        self._listeners: dict[int, Callable[[S], object]] = {}
        self._next_listener = 0
        self._version = 0
        self._last_look = time.monotonic()
        self._stopped = False
        self._thread = threading.Thread(target=self._guarded, name=name, daemon=True)

    @abstractmethod
    def _run(self) -> None:
        """The thread's work, as long as `_is_wanted`."""

    @abstractmethod
    def _current(self) -> S:
        """The newest snapshot. Called under the lock."""

    def start(self) -> None:
        self._thread.start()

    def touch(self) -> bool:
        """Count a look. False when this one has already ended and another must be made."""
        with self._changed:
            self._last_look = time.monotonic()
            return not self._stopped

    @property
    def last_look(self) -> float:
        """When it was last looked at, on the monotonic clock; whoever listens is looking."""
        with self._changed:
            return time.monotonic() if self._listeners else self._last_look

    @property
    def has_ended(self) -> bool:
        with self._changed:
            return self._stopped

    def snapshot(self) -> S:
        with self._changed:
            return self._current()

    def wait_for_change(self, after_version: int, timeout_seconds: float) -> S:
        """The newest snapshot, once it is newer than `after_version` or the time is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._version > after_version or self._stopped, timeout_seconds)
            return self._current()

    def listen(self, listener: Callable[[S], object]) -> int:
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

    # The thread

    def _guarded(self) -> None:
        try:
            self._run()
        except Exception:
            log.exception("%s ended", self._thread.name)
        finally:
            self.stop()

    def _is_wanted(self) -> bool:
        with self._changed:
            if not self._listeners and time.monotonic() - self._last_look >= self._linger_seconds:
                # Decided under the lock, so that a look that comes now makes a new one.
                self._stopped = True
            return not self._stopped

    def _rest(self, pause: float) -> float:
        """Wait, unless told to stop; returns the pause after this one. Not all wake at the same moment."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped, pause * random.uniform(0.8, 1.2))  # noqa: S311
        return min(pause * 2, LONGEST_PAUSE_SECONDS)

    def _tell(self) -> None:
        """There is news: wake who waits and call who listens. Called under the lock."""
        if self._stopped:
            return
        self._version += 1
        self._changed.notify_all()
        always = (self._on_news,) if self._on_news else ()
        for listener in (*always, *self._listeners.values()):
            try:
                listener(self._current())
            except Exception:
                log.exception("a listener of %s failed", self._thread.name)
