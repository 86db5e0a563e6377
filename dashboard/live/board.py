"""What this process knows now: written by the followers and `news()`, read by fragments and sockets."""

from __future__ import annotations

import itertools
import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from dashboard.live.topics import Topic

Wake = Callable[[int], None]
"""Told of news, from any thread, with the listener's place in the row: it must not block."""

_MOST_KEPT = 5_000


class News(NamedTuple):
    """`version` is `epoch.number`: another epoch is another process, a higher number is later."""

    version: str
    headline: str


class Board:
    """The newest version and headline of each topic, and who waits for the next. Safe from all threads."""

    def __init__(self) -> None:
        self.epoch = uuid.uuid4().hex[:8]
        self._count = itertools.count(1)
        self._lock = threading.Lock()
        self._news: OrderedDict[Topic, News] = OrderedDict()
        self._waiting: dict[Topic, dict[int, Wake]] = {}

    def read(self, topic: Topic) -> News:
        """What is known of a topic; number 0 and no headline while nothing is."""
        with self._lock:
            return self._news.get(topic) or News(f"{self.epoch}.0", "")

    def publish(self, topic: Topic, headline: str = "") -> None:
        """Something happened, also when the headline is the same."""
        with self._lock:
            self._news[topic] = News(f"{self.epoch}.{next(self._count)}", headline)
            self._news.move_to_end(topic)
            while len(self._news) > _MOST_KEPT:
                self._news.popitem(last=False)
            waiting = tuple(self._waiting.get(topic, {}).values())
        for place, wake in enumerate(waiting):
            wake(place)

    def count(self, topic: Topic) -> int:
        """How many wait for news on a topic."""
        with self._lock:
            return len(self._waiting.get(topic, ()))

    @contextmanager
    def waiting(self, topic: Topic, wake: Wake) -> Iterator[None]:
        """Be told of news on a topic as long as this lasts."""
        with self._lock:
            number = next(self._count)
            self._waiting.setdefault(topic, {})[number] = wake
        try:
            yield
        finally:
            with self._lock:
                others = self._waiting[topic]
                del others[number]
                if not others:
                    del self._waiting[topic]


board = Board()
"""The board of this process."""
