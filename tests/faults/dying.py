"""A process that kills itself at a point: `python -m tests.faults.dying POINT` runs a worker until then.

With a client's point it makes that one call as a person, whose token it finds in PERSON_TOKEN.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from typing import NoReturn

import httpx

from dashboard.settings import AnonSettings, WorkerSettings
from dashboard.store.connection import as_user, call
from dashboard.worker.loop import Worker
from tests.faults.points import KINDS, Point, name_of

LEASE_SECONDS = 3


class Dying(httpx.BaseTransport):
    """Hands calls on, and kills the process at its point."""

    _lock = threading.Lock()
    _seen = 0

    def __init__(self, point: Point) -> None:
        self._point = point
        self._inner = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        is_it = name_of(request) == self._point.call
        if is_it and self._point.when == "before" and self._is_now():
            die()
        answer = self._inner.handle_request(request)
        if is_it and self._point.when == "after":
            body = answer.read()
            if self._has_work(body) and self._is_now():
                die()
        return answer

    def _has_work(self, body: bytes) -> bool:
        """An answer of the outbox counts only with a row of the phase's kind."""
        if self._point.call != "take_outbox":
            return True
        rows = json.loads(body)
        return any(row["kind"] == KINDS[self._point.phase] for row in rows)

    def _is_now(self) -> bool:
        with Dying._lock:
            Dying._seen += 1
            return Dying._seen == self._point.nth


def die() -> NoReturn:
    """As `kill -9` does: nothing is flushed, closed or said."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("a process does not survive SIGKILL")


def main() -> None:
    """Run until the point is reached; nobody comes back from here."""
    point = Point.parse(sys.argv[1])
    if point.phase == "client":
        http = httpx.Client(transport=Dying(point))
        user = as_user(AnonSettings.load(), os.environ["PERSON_TOKEN"], http)
        call(user, point.call, json.loads(os.environ["ARGUMENTS"]))
        raise AssertionError(f"{point} was passed")
    Worker(
        WorkerSettings.load(),
        lease_seconds=LEASE_SECONDS,
        kestra_transport=Dying(point),
        supabase_transport=Dying(point),
    ).run()


if __name__ == "__main__":
    main()
