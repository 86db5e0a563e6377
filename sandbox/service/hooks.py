"""Making restarts go wrong, and counting those that happened, for tests."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp

WAYS = ("500", "502", "503", "hang", "drop", "redirect")
HANG_SECONDS = 3600.0
_TRANSPORT = "sandbox.transport"


@dataclass
class Misbehaviour:
    """`how` is one of WAYS, `times` more, at addresses that hold `match`.

    With `acts` the restart really happens before the answer goes wrong.
    """

    how: str
    times: int
    acts: bool
    match: str

    async def answer(self, request: Request) -> Response:
        if self.how == "hang":
            await asyncio.sleep(HANG_SECONDS)
        if self.how == "drop":
            request.scope[_TRANSPORT].abort()
        if self.how == "redirect":
            return RedirectResponse("/services", status_code=302)
        status = int(self.how) if self.how.isdigit() else 500
        return JSONResponse({"error": "The demo service was told to fail."}, status_code=status)


class Hooks:
    """The misbehaviours still to come, in order, and the restarts that happened."""

    def __init__(self) -> None:
        self._coming: list[Misbehaviour] = []
        self._effects: list[dict[str, str]] = []

    def next(self, request: Request) -> Misbehaviour | None:
        """What is to go wrong with this request."""
        url = str(request.url)
        coming = next((one for one in self._coming if one.times > 0 and one.match in url), None)
        if coming is not None:
            coming.times -= 1
        return coming

    def note(self, request: Request, key: str) -> None:
        """That the request had its effect."""
        self._effects.append({"url": str(request.url), "key": key})

    async def set(self, request: Request) -> Response:
        """Body `{"how": one of WAYS, "times": n, "acts": bool, "match": text}`.

        Without `match` it replaces what was told without (times 0 only forgets it), with `match` it is added.
        """
        told = json.loads(await request.body())
        if told["how"] not in WAYS:
            return JSONResponse({"error": f"how must be one of {', '.join(WAYS)}."}, status_code=422)
        match = told.get("match", "")
        if not match:
            self._coming = [one for one in self._coming if one.match]
        self._coming.append(
            Misbehaviour(told["how"], int(told.get("times", 1)), bool(told.get("acts")), match)
        )
        return JSONResponse({"coming": sum(one.times for one in self._coming)})

    async def effects(self, request: Request) -> Response:
        """Every restart that happened, in order: `[{"url": text, "key": Idempotency-Key}]`."""
        return JSONResponse(self._effects)

    def around(self, app: ASGIApp) -> ASGIApp:
        """Wraps `app` so that a connection can be dropped: only uvicorn's transport can do that."""

        async def wrapped(scope: Any, receive: Any, send: Any) -> None:
            cycle = getattr(send, "__self__", None)
            await app({**scope, _TRANSPORT: getattr(cycle, "transport", None)}, receive, send)

        return wrapped
