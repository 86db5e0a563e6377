"""For balancers and supervisors: does this process serve (`/healthz`), can people use it (`/readyz`)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from dashboard.errors import IncidentScribeError, UpstreamUnreachable

READY_PATH = "/readyz"

# Anybody may ask: the database is asked at most this often.
_KNOWN_SECONDS = 2.0
_NO_STORE = {"Cache-Control": "no-store"}


async def healthz(request: Request) -> PlainTextResponse:
    """Answer 200 `ok`; nobody else is asked."""
    return PlainTextResponse("ok\n", headers=_NO_STORE)


class Readiness:
    """Asks Supabase for a session that nobody has, as each request of a person would.

    Kestra is not asked: without it people still read, submit and decide.
    """

    def __init__(self, ask: Callable[[], object]) -> None:
        """`ask` raises errors of our tree."""
        self._ask = ask
        self._lock = threading.Lock()
        self._trouble: str | None = None
        self._until = float("-inf")

    def route(self) -> Route:
        return Route(READY_PATH, self.answer)

    async def answer(self, request: Request) -> Response:
        """200 `ready`, or 503 with one word: `supabase` (away) or `sessions` (its answer is none)."""
        trouble = await to_thread.run_sync(self._look)
        if trouble is None:
            return PlainTextResponse("ready\n", headers=_NO_STORE)
        return PlainTextResponse(f"{trouble}\n", 503, {"Retry-After": "5", **_NO_STORE})

    def _look(self) -> str | None:
        with self._lock:
            if time.monotonic() >= self._until:
                try:
                    self._ask()
                except UpstreamUnreachable:
                    self._trouble = "supabase"
                except IncidentScribeError:
                    self._trouble = "sessions"
                else:
                    self._trouble = None
                self._until = time.monotonic() + _KNOWN_SECONDS
            return self._trouble
