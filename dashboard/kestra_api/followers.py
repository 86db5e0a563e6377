"""One follower per execution and process, shared by everybody who looks at it.

A follower ends 30 s after the last look: `watch` is a look, a subscription looks until it is closed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

from dashboard.domain.clock import Clock, utc_now
from dashboard.kestra_api.follower import Followable, Follower
from dashboard.kestra_api.observation import Listener, LogSnapshot, Snapshot

LINGER_SECONDS = 30.0


class Subscription:
    """A listener's hold on a follower; `close` gives it up."""

    def __init__(self, follower: Follower, number: int) -> None:
        self._follower = follower
        self._number = number

    def close(self) -> None:
        self._follower.unlisten(self._number)


class Followers:
    """All followers of this process."""

    def __init__(
        self,
        api: Followable,
        *,
        clock: Clock = utc_now,
        linger_seconds: float = LINGER_SECONDS,
        on_news: Callable[[str, Snapshot], None] | None = None,
    ) -> None:
        """`on_news` is told every new snapshot, from the follower's thread; it keeps no follower alive."""
        self._api = api
        self._on_news = on_news
        self._clock = clock
        self._linger_seconds = linger_seconds
        self._lock = threading.Lock()
        self._followers: dict[str, Follower] = {}

    def watch(self, kestra_execution_id: str, *, wait_seconds: float = 0.0) -> Snapshot:
        """The newest snapshot, and a look that keeps the follower for 30 s more.

        The first look has nothing to show unless it waits: `wait_seconds` is the longest time for
        the first observation or error. Open this only for ids the viewer's own token has read.
        """
        follower = self._follower(kestra_execution_id)
        snapshot = follower.snapshot()
        if snapshot.version == 0 and wait_seconds > 0:
            return follower.wait_for_change(0, wait_seconds)
        return snapshot

    def wait_for_change(
        self, kestra_execution_id: str, after_version: int, timeout_seconds: float
    ) -> Snapshot:
        """Block until a snapshot newer than `after_version` exists or the time is over; a look too."""
        return self._follower(kestra_execution_id).wait_for_change(after_version, timeout_seconds)

    def subscribe(self, kestra_execution_id: str, listener: Listener) -> Subscription:
        """Call `listener` with every new snapshot, from the follower's thread: it must not block."""
        follower = self._follower(kestra_execution_id)
        return Subscription(follower, follower.listen(listener))

    def logs(self, kestra_execution_id: str) -> LogSnapshot:
        """The log lines from DEBUG up, at most a second old; a look too."""
        return self._follower(kestra_execution_id).logs()

    def close(self, timeout_seconds: float = 0.0) -> None:
        """Stop all; threads that wait for a silent stream end with it, at the latest after 10 s."""
        with self._lock:
            followers = list(self._followers.values())
            self._followers.clear()
        for follower in followers:
            follower.stop()
        for follower in followers:
            follower.join(timeout_seconds)

    def _follower(self, execution_id: str) -> Follower:
        with self._lock:
            follower = self._followers.get(execution_id)
            if follower is None or not follower.touch():
                told = partial(self._on_news, execution_id) if self._on_news else None
                follower = Follower(self._api, execution_id, self._clock, self._linger_seconds, told)
                self._followers[execution_id] = follower
                follower.start()
                self._forget_ended()
            return follower

    def _forget_ended(self) -> None:
        for execution_id, follower in list(self._followers.items()):
            if follower.has_ended:
                del self._followers[execution_id]
