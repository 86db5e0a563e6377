"""`/login` and `/logout`: plain HTML forms that work without a script."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, urlencode

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from dashboard.errors import IncidentScribeError, NotAllowed, NotSignedIn, UpstreamUnreachable
from dashboard.routes import safe_next
from dashboard.settings import WebSettings
from dashboard.store import people
from dashboard.store.connection import as_user
from dashboard.web import cookies
from dashboard.web.demo_accounts import list_demo_accounts, list_sandbox_accounts
from dashboard.web.page import STYLE, render_page
from dashboard.web.seal import form_token, is_form_token, new_cookie
from dashboard.web.sessions import DeskSessions

_MOST_BYTES: Final = 16 * 1024
_LONGEST_FIELD: Final = 1_000

LOGIN_FORM: Final = "login"
LOGOUT_FORM: Final = "logout"

_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
_PAGE_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        f"style-src 'sha256-{_STYLE_HASH}'",
        "img-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the last attempt did not work, its status for programs, and where that leaves people."""

    status: int
    reason: str
    title: str = "Not signed in."


def refusal_of(error: IncidentScribeError) -> Refusal:
    """An error of signing in, in words for the form."""
    if isinstance(error, NotSignedIn):
        return Refusal(401, "E-mail or password is wrong. Check both and try again.")
    if isinstance(error, NotAllowed):
        return Refusal(403, str(error))
    if isinstance(error, UpstreamUnreachable):
        return Refusal(503, f"You could not be signed in just now. {error}")
    return Refusal(500, f"You could not be signed in. {error}")


class SignIn:
    """The handlers, over the sessions of this process."""

    def __init__(self, settings: WebSettings, sessions: DeskSessions) -> None:
        self._settings = settings
        self._sessions = sessions

    def routes(self) -> list[Route]:
        """`GET` and `POST /login`, `POST /logout`; a `GET /logout` ends nothing and leads to the form."""
        return [
            Route("/login", self.show, methods=["GET"]),
            Route("/login", self.sign_in, methods=["POST"]),
            Route("/logout", RedirectResponse("/login", 303), methods=["GET"]),
            Route("/logout", self.sign_out, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """The form; for somebody signed in also who they are, and a way out."""
        return await self._page(request, safe_next(request.query_params.get("next")))

    async def sign_in(self, request: Request) -> Response:
        """Check the form, sign in, set the cookie, go where the link wanted to."""
        form = await _read_form(request)
        if form is None:
            return PlainTextResponse("The form is too large or not a form.\n", 413)
        wanted = safe_next(form.get("next"))
        bound_to = cookies.read(request.cookies, cookies.FORM) or ""
        if not is_form_token(bound_to, LOGIN_FORM, form.get("form_token", "")):
            stale = Refusal(403, "This page was open for too long, or cookies are blocked. Try again.")
            return await self._page(request, wanted, stale, form.get("email", ""))
        credentials = await self._credentials(form)
        if credentials is None:
            empty = Refusal(422, "Fill in both e-mail and password.")
            return await self._page(request, wanted, empty, form.get("email", ""))
        previous = cookies.read(request.cookies, cookies.SESSION)
        try:
            cookie = await to_thread.run_sync(self._sessions.open, *credentials)
        except IncidentScribeError as error:
            return await self._page(request, wanted, refusal_of(error), form.get("email", ""))
        if previous:
            await self._close(previous)
        response = _see_other(wanted)
        cookies.set_session(response, cookie, https=_is_https(request))
        cookies.forget(response, cookies.FORM)
        return response

    async def sign_out(self, request: Request) -> Response:
        """End the session, or all of this person, here and at Supabase Auth, and show the form again."""
        form = await _read_form(request)
        cookie = cookies.read(request.cookies, cookies.SESSION)
        wanted = safe_next((form or {}).get("next"))
        response = _see_other(f"/login?{urlencode({'next': wanted})}")
        if cookie:
            if form is None or not is_form_token(cookie, LOGOUT_FORM, form.get("form_token", "")):
                return PlainTextResponse("Refused: this sign-out did not come from the desk.\n", 403)
            refusal = await (self._close_everywhere if form.get("everywhere") else self._close)(cookie)
            if refusal:
                return await self._page(request, wanted, refusal)
        cookies.forget(response, cookies.SESSION)
        return response

    async def _credentials(self, form: dict[str, str]) -> tuple[str, str] | None:
        """E-mail and password as typed, or those of the demo account whose button was pressed."""
        if pressed := form.get("account"):
            accounts = await to_thread.run_sync(list_demo_accounts, self._settings)
            return next(((a.email, a.password) for a in accounts if a.email == pressed), None)
        email, password = form.get("email", "").strip(), form.get("password", "")
        return (email, password) if email and password else None

    async def _close(self, cookie: str) -> Refusal | None:
        try:
            await to_thread.run_sync(self._sessions.close, cookie)
        except IncidentScribeError as error:
            return Refusal(503, f"The session could not be ended just now. {error}", "Still signed in.")
        return None

    async def _close_everywhere(self, cookie: str) -> Refusal | None:
        try:
            confirmed = await to_thread.run_sync(self._sessions.close_everywhere, cookie)
        except IncidentScribeError as error:
            return Refusal(503, f"Your sessions could not be ended just now. {error}", "Still signed in.")
        if confirmed:
            return None
        return Refusal(
            503,
            "Supabase Auth did not confirm it, so other programs with this account may go on. "
            "Sign in and sign out everywhere again.",
            "Signed out of the desk everywhere.",
        )

    async def _page(
        self, request: Request, wanted: str, refusal: Refusal | None = None, email: str = ""
    ) -> Response:
        session = cookies.read(request.cookies, cookies.SESSION)
        accounts = await to_thread.run_sync(list_demo_accounts, self._settings)
        known = accounts or await to_thread.run_sync(list_sandbox_accounts, self._settings)
        bound_to = cookies.read(request.cookies, cookies.FORM) or new_cookie()
        person, has_ended = await to_thread.run_sync(self._who, session)
        body = render_page(
            "sign_in.html",
            refusal=refusal,
            has_ended=has_ended,
            email=email[:_LONGEST_FIELD],
            wanted=wanted,
            accounts=accounts,
            addresses=[account.email for account in known],
            person=person,
            form_token=form_token(bound_to, LOGIN_FORM),
            logout_token=form_token(session, LOGOUT_FORM) if session and person else None,
        )
        response = HTMLResponse(
            body,
            refusal.status if refusal else 200,
            {"Content-Security-Policy": _PAGE_POLICY, "Cache-Control": "no-store"},
        )
        cookies.set_form(response, bound_to, https=_is_https(request))
        return response

    def _who(self, session: str | None) -> tuple[people.Person | None, bool]:
        """The signed-in person, and whether the browser's session is over; the page works without knowing."""
        try:
            found = self._sessions.find(session)
            if found is None:
                return None, bool(session)
            return people.find_person(as_user(self._settings, found.access_token), found.user_id), False
        except IncidentScribeError:
            return None, False


async def _read_form(request: Request) -> dict[str, str] | None:
    """A small urlencoded form; None for anything else."""
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return None
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BYTES:
            return None
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=20)
    except ValueError:
        return None
    return {key: value[:_LONGEST_FIELD] for key, value in pairs}


def _see_other(target: str) -> RedirectResponse:
    return RedirectResponse(target, 303, {"Cache-Control": "no-store"})


def _is_https(request: Request) -> bool:
    return request.url.scheme == "https"
