"""The desk's two cookies: the session, and the one that sign-in forms are bound to."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response

SESSION = "incidentscribe_session"
FORM = "incidentscribe_form"

SESSION_DAYS = 30
_FORM_SECONDS = 3600

# On https the prefix makes the browser refuse the cookie from any other host, path or plain http.
_PREFIX = "__Host-"


def read(cookies: Mapping[str, str], name: str) -> str | None:
    """The value of a cookie of ours, by whichever name it was set."""
    return cookies.get(_PREFIX + name) or cookies.get(name)


def set_session(response: Response, value: str, *, https: bool) -> None:
    """Give the browser its session for 30 days; scripts cannot read it."""
    _set(response, SESSION, value, SESSION_DAYS * 86_400, https)


def set_form(response: Response, value: str, *, https: bool) -> None:
    """Give the browser what its next sign-in form is checked against."""
    _set(response, FORM, value, _FORM_SECONDS, https)


def forget(response: Response, name: str) -> None:
    """Remove a cookie of ours, under both names."""
    response.delete_cookie(name, path="/", httponly=True, samesite="lax")
    response.delete_cookie(_PREFIX + name, path="/", httponly=True, samesite="lax", secure=True)


def _set(response: Response, name: str, value: str, seconds: int, https: bool) -> None:
    response.set_cookie(
        (_PREFIX if https else "") + name,
        value,
        max_age=seconds,
        path="/",
        httponly=True,
        samesite="lax",
        secure=https,
    )
