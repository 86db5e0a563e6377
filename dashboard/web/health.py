"""`/healthz`: whether this process serves, for balancers and supervisors. It asks nobody else."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import PlainTextResponse


async def healthz(request: Request) -> PlainTextResponse:
    """Answer 200 `ok`."""
    return PlainTextResponse("ok\n", headers={"Cache-Control": "no-store"})
