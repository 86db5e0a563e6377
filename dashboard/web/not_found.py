"""Addresses that lead nowhere: a page of ours with 404, where Streamlit would show its first page instead."""

from __future__ import annotations

from collections.abc import Collection

from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from dashboard.routes import MENU, ROUTES
from dashboard.web.guard import Door, door
from dashboard.web.page import render_page

_LONGEST_PATH = 200


class NotFound:
    """ASGI middleware behind the guard, so only for people who are signed in; `own` are the desk's routes."""

    def __init__(self, app: ASGIApp, *, own: Collection[str]) -> None:
        self._app = app
        self._known = {route.path for route in ROUTES} | set(own)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._leads_nowhere(scope["path"]):
            await HTMLResponse(_page(scope["path"]), 404, {"Cache-Control": "no-store"})(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _leads_nowhere(self, path: str) -> bool:
        return door(path) is Door.PAGE and (path.rstrip("/") or "/") not in self._known


def _page(path: str) -> str:
    shown = path if len(path) <= _LONGEST_PATH else f"{path[:_LONGEST_PATH]}…"
    return render_page("not_found.html", path=shown, pages=MENU)
