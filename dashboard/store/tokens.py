"""Supabase Auth: tokens for a password, new ones for old ones, and their end."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from supabase import Client
from supabase_auth.types import AuthResponse

from dashboard.domain.clock import utc_now
from dashboard.errors import UpstreamProtocolError
from dashboard.store.refusals import SERVICE, translated


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a signed-in person's requests carry; never printed."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_at: datetime

    def ends_within(self, seconds: float, now: datetime) -> bool:
        """Whether the access token is over by then."""
        return self.expires_at - now <= timedelta(seconds=seconds)


def sign_in(anon: Client, email: str, password: str) -> Tokens:
    """Tokens for a password. Raises NotSignedIn (wrong), UpstreamUnreachable (also: too many attempts).

    The client becomes this person's: take a new one for each call.
    """
    with translated():
        answer = anon.auth.sign_in_with_password({"email": email, "password": password})
    return _tokens(answer)


def refresh(anon: Client, refresh_token: str) -> Tokens:
    """New tokens for a refresh token, which is used up. Raises NotSignedIn when the session is over."""
    with translated():
        answer = anon.auth.refresh_session(refresh_token)
    return _tokens(answer)


def sign_out(anon: Client, access_token: str, *, everywhere: bool = False) -> None:
    """End this one session at Supabase Auth, or all sessions of its person."""
    with translated():
        anon.auth.admin.sign_out(access_token, "global" if everywhere else "local")


def _tokens(answer: AuthResponse) -> Tokens:
    session = answer.session
    if session is None:
        raise UpstreamProtocolError(SERVICE, "Supabase Auth answered a sign-in without a session.")
    ends = (
        datetime.fromtimestamp(session.expires_at, UTC)
        if session.expires_at
        else utc_now() + timedelta(seconds=session.expires_in)
    )
    return Tokens(session.access_token, session.refresh_token, ends)
