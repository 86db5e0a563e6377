"""Nobody gets to Streamlit, its websocket included, without a session: ASGI middleware."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from urllib.parse import urlencode, urlsplit

from anyio import to_thread
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from dashboard.errors import UpstreamUnreachable
from dashboard.routes import safe_next
from dashboard.web import cookies, live, live_script
from dashboard.web.page import render_page
from dashboard.web.sessions import DeskSessions

# Streamlit's bundle is public code; everything a person may see comes over other paths.
_OPEN_PATHS = frozenset({"/login", "/logout", "/favicon.png", "/manifest.json", live_script.PATH})
# Programs ask by address, under whatever name; the numbers ask for a token themselves.
_FOR_PROGRAMS = frozenset({"/healthz", "/readyz", "/metrics"})
_OPEN_FOLDER = "/static/"

# Numbers about sessions, an API that drives pages, Streamlit's own sign-in: nothing here uses them.
_SHUT_PATHS = frozenset({"/_stcore/metrics", "/_stcore/script-health-check", "/oauth2callback"})
_SHUT_FOLDERS = ("/_stcore/agent", "/auth/")

_NOT_PAGES = ("/_stcore/", "/media/", "/component/")
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_RETRY_SECONDS = 10  # until a page that could not be shown is asked for again


class Door(Enum):
    """What a path is."""

    OPEN = "for everybody"
    SHUT = "for nobody"
    PAGE = "for people, and the sign-in page can lead there"
    PART = "for people, asked for by a page"


def door(path: str) -> Door:
    """Which kind a path is. What is not known is a page."""
    path = path.rstrip("/") or "/"
    if path in _SHUT_PATHS or path.startswith(_SHUT_FOLDERS):
        return Door.SHUT
    if path in _OPEN_PATHS | _FOR_PROGRAMS or path.startswith(_OPEN_FOLDER):
        return Door.OPEN
    return Door.PART if path.startswith(_NOT_PAGES) else Door.PAGE


def is_allowed_host(host: str | None, allowed: Sequence[str]) -> bool:
    """Whether a Host header names this desk; the port does not matter, `*` allows everything."""
    if host is None:
        return False
    if "*" in allowed:
        return True
    try:
        name = urlsplit(f"//{host}").hostname
    except ValueError:
        return False
    return name is not None and name.rstrip(".") in {entry.lower() for entry in allowed}


def is_own_origin(headers: Headers) -> bool:
    """Whether a request comes from a page of this very host; browsers always say with POST and websockets."""
    origin = headers.get("origin")
    if not origin:
        return False
    try:
        return urlsplit(origin).netloc.lower() == headers.get("host", "").lower() != ""
    except ValueError:
        return False


class Guard:
    """Host, origin, session, in this order; what passes goes on to Streamlit or the desk's own routes."""

    def __init__(self, app: ASGIApp, *, sessions: DeskSessions, allowed_hosts: Sequence[str]) -> None:
        self._app = app
        self._sessions = sessions
        self._allowed_hosts = tuple(allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = await self._refusal(HTTPConnection(scope))
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            # Closed before it was accepted: the browser sees HTTP 403.
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": ""})
        else:
            await refusal(scope, receive, send)

    async def _refusal(self, connection: HTTPConnection) -> Response | None:
        """The answer that ends a request here, or None when it may pass."""
        scope, path = connection.scope, connection.url.path
        if path in _FOR_PROGRAMS and scope["type"] == "http":
            return None
        if not is_allowed_host(connection.headers.get("host"), self._allowed_hosts):
            return PlainTextResponse(
                "This desk does not answer under that name. "
                "INCIDENTSCRIBE_ALLOWED_HOSTS lists the names it knows.\n",
                400,
            )
        kind = door(path)
        if kind is Door.SHUT:
            return PlainTextResponse("Not found.\n", 404)
        changes = scope["type"] == "websocket" or scope["method"] not in _SAFE_METHODS
        if changes and not is_own_origin(connection.headers):
            return PlainTextResponse("Refused: the request does not come from a page of this desk.\n", 403)
        if kind is Door.OPEN and scope["type"] == "http":
            return None
        if path == live.PATH and scope["type"] == "websocket":
            return None  # checks the session itself, and again all the time
        try:
            cookie = cookies.read(connection.cookies, cookies.SESSION)
            found = await to_thread.run_sync(self._sessions.find, cookie)
        except UpstreamUnreachable as error:
            return self._cannot_tell(connection, kind, error)
        return None if found else self._not_signed_in(connection, kind)

    def _cannot_tell(self, connection: HTTPConnection, kind: Door, error: UpstreamUnreachable) -> Response:
        headers = {"Retry-After": str(_RETRY_SECONDS), "Cache-Control": "no-store"}
        if not self._is_looked_at(connection, kind):
            return PlainTextResponse(f"{error.what}\n", 503, headers)
        page = render_page("away.html", service=error.service, what=error.what, seconds=_RETRY_SECONDS)
        return HTMLResponse(page, 503, headers | {"Refresh": str(_RETRY_SECONDS)})

    def _not_signed_in(self, connection: HTTPConnection, kind: Door) -> Response:
        if self._is_looked_at(connection, kind):
            wanted = connection.url.path
            if connection.url.query:
                wanted += f"?{connection.url.query}"
            target = f"/login?{urlencode({'next': safe_next(wanted)})}"
            return RedirectResponse(target, 303, {"Cache-Control": "no-store"})
        return PlainTextResponse("Not signed in.\n", 401, {"Cache-Control": "no-store"})

    @staticmethod
    def _is_looked_at(connection: HTTPConnection, kind: Door) -> bool:
        """Whether a person sees the answer."""
        return kind is Door.PAGE and connection.scope.get("method") in ("GET", "HEAD")
