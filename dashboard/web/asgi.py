"""The desk as one ASGI application: `uvicorn --factory dashboard.web.asgi:create_app`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import streamlit as st
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Route

from dashboard import metrics
from dashboard.live.board import board
from dashboard.live.feed import NewsFeed
from dashboard.live.following import count_followed, desk_kestra, followers
from dashboard.resources import streamlit_options
from dashboard.settings import WebSettings
from dashboard.web import live_script
from dashboard.web.guard import Guard
from dashboard.web.headers import SecurityHeaders
from dashboard.web.health import Readiness, healthz
from dashboard.web.live import LiveChannel
from dashboard.web.look import use_options
from dashboard.web.metrics import Metrics
from dashboard.web.not_found import NotFound
from dashboard.web.sessions import DeskSessions, desk_sessions
from dashboard.web.sign_in import SignIn
from dashboard.web.streamlit_log import use_our_log
from dashboard.web.unexpected import show_unexpected

SCRIPT = Path(__file__).resolve().parents[1] / "app.py"


@asynccontextmanager
async def _lifespan(_: st.App) -> AsyncIterator[dict[str, Any]]:
    # Imported here: only the worker knows the service key, and it decides whether it is configured.
    from dashboard.worker.loop import start_in_thread

    worker = start_in_thread()
    try:
        yield {}
    finally:
        if worker is not None:
            worker.stop()


def desk_routes(settings: WebSettings, sessions: DeskSessions) -> list[BaseRoute]:
    """The desk's own routes, beside Streamlit's."""
    live = LiveChannel(
        settings,
        sessions,
        board=board,
        feed=NewsFeed(board),
        followers=followers,
        look=lambda user: desk_kestra().look(user),
    )
    metrics.FOLLOWERS.set_function(count_followed)
    metrics.LIVE_SOCKETS.set_function(live.count)
    return [
        Route("/healthz", healthz),
        Readiness(sessions.ask).route(),
        Metrics(settings).route(),
        *SignIn(settings, sessions).routes(),
        live.route(),
        live_script.route(),
    ]


def desk_middleware(settings: WebSettings, sessions: DeskSessions) -> list[Middleware]:
    """What every request passes before anything else sees it, outermost first."""
    return [
        Middleware(SecurityHeaders),
        Middleware(Guard, sessions=sessions, allowed_hosts=settings.allowed_hosts),
    ]


def create_app(settings: WebSettings | None = None, sessions: DeskSessions | None = None) -> st.App:
    """Streamlit with the desk's routes and guards around it. Raises ConfigurationError."""
    settings = settings or WebSettings.load()
    sessions = sessions or desk_sessions()
    use_options(streamlit_options())
    use_our_log()
    routes = desk_routes(settings, sessions)
    own = [route.path for route in routes if isinstance(route, Route)]
    return st.App(
        SCRIPT,
        lifespan=_lifespan,
        routes=routes,
        middleware=[*desk_middleware(settings, sessions), Middleware(NotFound, own=own)],
        on_script_error=show_unexpected,
    )
