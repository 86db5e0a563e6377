"""One follower per execution and process, shared by everybody who looks at it; and one of its log.

A follower ends 30 s after the last look: `watch` is a look, a subscription looks until it is closed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from dashboard.domain.clock import Clock, utc_now
from dashboard.kestra_api.follower import Followable, Follower
from dashboard.kestra_api.log_follower import LogFollowable, LogFollower
from dashboard.kestra_api.observation import Listener, LogListener, LogSnapshot, Snapshot
from dashboard.kestra_api.shared import Shared

LINGER_SECONDS = 30.0
# Each is a thread and a connection to Kestra. Above this whoever was looked at longest ago ends.
MOST_FOLLOWERS = 200

F = TypeVar("F", bound=Shared[Any])


class Api(Followable, LogFollowable, Protocol):
    """What the followers need of the client."""


class Subscription:
    """A listener's hold on a follower; `close` gives it up."""

    def __init__(self, follower: Shared[Any], number: int) -> None:
        self._follower = follower
        self._number = number

    def close(self) -> None:
        self._follower.unlisten(self._number)


class _Pool(Generic[F]):
    """The followers of one kind, by execution."""

    def __init__(self, make: Callable[[str], F], most: int) -> None:
        self._make = make
        self._most = most
        self._lock = threading.Lock()
        self._followers: dict[str, F] = {}

    def get(self, execution_id: str) -> F:
        """The follower of an execution, looked at just now; a new one where there is none."""
        with self._lock:
            follower = self._followers.get(execution_id)
            if follower is None or not follower.touch():
                follower = self._make(execution_id)
                # Kept once it runs: where no thread can be had now, the next look tries again.
                follower.start()
                self._followers[execution_id] = follower
                self._tidy(follower)
            return follower

    def count(self) -> int:
        with self._lock:
            return sum(not follower.has_ended for follower in self._followers.values())

    def clear(self) -> list[F]:
        """All of them, none of which is handed out again."""
        with self._lock:
            followers = list(self._followers.values())
            self._followers.clear()
            return followers

    def _tidy(self, newest: F) -> None:
        """Forget those that have ended, and end the least looked at where there are too many."""
        for execution_id, follower in list(self._followers.items()):
            if follower.has_ended:
                del self._followers[execution_id]
        while len(self._followers) > self._most:
            others = [(f.last_look, i) for i, f in self._followers.items() if f is not newest]
            self._followers.pop(min(others)[1]).stop()


class Followers:
    """All followers of this process."""

    def __init__(
        self,
        api: Api,
        *,
        clock: Clock = utc_now,
        linger_seconds: float = LINGER_SECONDS,
        most: int = MOST_FOLLOWERS,
        on_news: Callable[[str, Snapshot], None] | None = None,
        on_log: Callable[[str], None] | None = None,
    ) -> None:
        """`on_news` is told every new snapshot, `on_log` that a log is newer, from the follower's thread.

        They keep no follower alive, and must not block.
        """

        def execution(execution_id: str) -> Follower:
            told = partial(on_news, execution_id) if on_news else None
            return Follower(api, execution_id, clock, linger_seconds, told)

        def log(execution_id: str) -> LogFollower:
            told = partial(on_log, execution_id) if on_log else None
            return LogFollower(api, execution_id, clock, linger_seconds, told)

        self._executions = _Pool(execution, most)
        self._logs = _Pool(log, most)

    def watch(self, kestra_execution_id: str, *, wait_seconds: float = 0.0) -> Snapshot:
        """The newest snapshot, and a look that keeps the follower for 30 s more.

        The first look has nothing to show unless it waits: `wait_seconds` is the longest time for
        the first observation or error. Open this only for ids the viewer's own token has read.
        """
        follower = self._executions.get(kestra_execution_id)
        return follower.wait_for_change(0, wait_seconds)

    def wait_for_change(
        self, kestra_execution_id: str, after_version: int, timeout_seconds: float
    ) -> Snapshot:
        """Block until a snapshot newer than `after_version` exists or the time is over; a look too."""
        return self._executions.get(kestra_execution_id).wait_for_change(after_version, timeout_seconds)

    def subscribe(self, kestra_execution_id: str, listener: Listener) -> Subscription:
        """Call `listener` with every new snapshot, from the follower's thread: it must not block."""
        follower = self._executions.get(kestra_execution_id)
        return Subscription(follower, follower.listen(listener))

    def logs(self, kestra_execution_id: str, *, wait_seconds: float = 0.0) -> LogSnapshot:
        """The log from DEBUG up; a look, with the same words about waiting as `watch`."""
        return self._logs.get(kestra_execution_id).wait_for_change(0, wait_seconds)

    def wait_for_log(
        self, kestra_execution_id: str, after_version: int, timeout_seconds: float
    ) -> LogSnapshot:
        """Block until the log is newer than `after_version` or the time is over; a look too."""
        return self._logs.get(kestra_execution_id).wait_for_change(after_version, timeout_seconds)

    def subscribe_log(self, kestra_execution_id: str, listener: LogListener) -> Subscription:
        """Call `listener` with every newer log, from the follower's thread: it must not block."""
        follower = self._logs.get(kestra_execution_id)
        return Subscription(follower, follower.listen(listener))

    def count(self) -> int:
        """How many are at work."""
        return self._executions.count() + self._logs.count()

    def close(self, timeout_seconds: float = 0.0) -> None:
        """Stop all; threads that wait for a silent stream end with it, at the latest after 10 s."""
        followers: list[Shared[Any]] = [*self._executions.clear(), *self._logs.clear()]
        for follower in followers:
            follower.stop()
        for follower in followers:
            follower.join(timeout_seconds)
