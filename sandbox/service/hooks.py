"""Making the next restarts go wrong, for tests."""

import asyncio
import json
from collections import deque
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

WAYS = ("500", "503", "hang", "drop")
HANG_SECONDS = 3600.0
_TRANSPORT = "sandbox.transport"


@dataclass(frozen=True)
class Misbehaviour:
    """`how` is one of WAYS; with `acts` the restart really happens before the answer goes wrong."""

    how: str
    acts: bool

    async def answer(self, request: Request) -> Response:
        if self.how == "hang":
            await asyncio.sleep(HANG_SECONDS)
        if self.how == "drop":
            request.scope[_TRANSPORT].abort()
        status = int(self.how) if self.how.isdigit() else 500
        return JSONResponse({"error": "The demo service was told to fail."}, status_code=status)


class Hooks:
    """The misbehaviours still to come, in order."""

    def __init__(self) -> None:
        self._coming: deque[Misbehaviour] = deque()

    def next(self) -> Misbehaviour | None:
        return self._coming.popleft() if self._coming else None

    async def set(self, request: Request) -> Response:
        """Body `{"how": one of WAYS, "times": n, "acts": bool}`; times 0 forgets what was told before."""
        told = json.loads(await request.body())
        if told["how"] not in WAYS:
            return JSONResponse({"error": f"how must be one of {', '.join(WAYS)}."}, status_code=422)
        self._coming.clear()
        self._coming.extend([Misbehaviour(told["how"], bool(told.get("acts")))] * int(told.get("times", 1)))
        return JSONResponse({"coming": len(self._coming)})

    def around(self, app: ASGIApp) -> ASGIApp:
        """Wraps `app` so that a connection can be dropped: only uvicorn's transport can do that."""

        async def wrapped(scope: Any, receive: Any, send: Any) -> None:
            cycle = getattr(send, "__self__", None)
            await app({**scope, _TRANSPORT: getattr(cycle, "transport", None)}, receive, send)

        return wrapped
