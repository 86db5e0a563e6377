"""POST /token: a session for a password, and new tokens for a refresh token."""

from collections.abc import Callable
from datetime import timedelta

from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from sandbox.supabase.auth.calls import Call
from sandbox.supabase.auth.emails import normal_email
from sandbox.supabase.auth.errors import OAuthRefusal, Refusal, invalid, not_served, wrong_credentials
from sandbox.supabase.auth.parts import Parts
from sandbox.supabase.auth.registry import note_sign_in
from sandbox.supabase.auth.sessions import (
    Session,
    issue_refresh_token,
    lock_session_of,
    open_session,
    rotate,
)
from sandbox.supabase.auth.users import User, find_user, find_user_by_email, get_user


class PasswordGrant(BaseModel):
    """The body of a sign-in; the client sends more, of no meaning here."""

    email: str = ""
    phone: str = ""
    password: str = ""


class RefreshGrant(BaseModel):
    """The body of a refresh."""

    refresh_token: str = ""


def grant(parts: Parts, call: Call) -> Response:
    """Answers a session object."""
    kind = call.request.query_params.get("grant_type", "")
    if kind not in _GRANTS:
        raise not_served(f"grant_type {kind!r}, only {' and '.join(_GRANTS)}")
    return _GRANTS[kind](parts, call)


def _sign_in(parts: Parts, call: Call) -> Response:
    parts.sign_ins.count(call.address)
    asked = call.read(PasswordGrant)
    if asked.phone:
        raise not_served("sign-in by phone")
    if not asked.email:
        raise invalid("missing email or phone")
    with parts.database.transaction() as connection:
        user = find_user_by_email(connection, normal_email(asked.email))
    # Outside of a transaction: hashing takes its time, and takes it for unknown addresses too.
    is_right = parts.passwords.matches(asked.password, user.encrypted_password if user else None)
    if user is None or not is_right:
        raise wrong_credentials()
    with parts.database.transaction() as connection:
        # Read again under a lock: whoever is banned or given a new password meanwhile stays outside.
        current = find_user(connection, user.id, lock=True)
        if current is None or current.encrypted_password != user.encrypted_password:
            raise wrong_credentials()
        _require_welcome(current)
        note_sign_in(connection, user.id)
        session = open_session(connection, user.id, call.request.headers.get("user-agent", ""), call.address)
        refresh_token = issue_refresh_token(connection, session)
        user = get_user(connection, user.id)
    return _session_answer(parts, user, session, refresh_token)


def _require_welcome(user: User) -> None:
    if user.is_banned:
        raise Refusal(400, "user_banned", "User is banned")
    if user.email_confirmed_at is None:
        raise Refusal(400, "email_not_confirmed", "Email not confirmed")


def _refresh(parts: Parts, call: Call) -> Response:
    parts.refreshes.count(call.address)
    asked = call.read(RefreshGrant)
    if not asked.refresh_token:
        raise OAuthRefusal("invalid_request", "refresh_token required")
    with parts.database.transaction() as connection:
        session = lock_session_of(connection, asked.refresh_token)
        user = find_user(connection, session.user_id) if session else None
        if session is None or user is None:
            raise _bad_refresh_token("refresh_token_not_found", "Refresh Token Not Found")
        if user.is_banned:
            raise _bad_refresh_token("user_banned", "User Banned")
        if session.is_over:
            raise _bad_refresh_token("session_expired", "Session Expired")
        token = rotate(
            connection, session, asked.refresh_token, timedelta(seconds=parts.rules.refresh_token_reuse)
        )
    # Only now: the revocation that comes with it must not be rolled back.
    if token is None:
        raise _bad_refresh_token("refresh_token_already_used", "Already Used")
    return _session_answer(parts, user, session, token)


def _bad_refresh_token(code: str, reason: str) -> Refusal:
    return Refusal(400, code, f"Invalid Refresh Token: {reason}")


def _session_answer(parts: Parts, user: User, session: Session, refresh_token: str) -> Response:
    """The session object of the API, with a fresh access token."""
    access_token, expires_at = parts.tokens.issue(user, session)
    return JSONResponse(
        {
            "access_token": access_token,
            "token_type": "bearer",
            "expires_in": parts.tokens.lifetime,
            "expires_at": expires_at,
            "refresh_token": refresh_token,
            "user": user.public(),
        },
        headers={"Cache-Control": "no-store"},
    )


_GRANTS: dict[str, Callable[[Parts, Call], Response]] = {"password": _sign_in, "refresh_token": _refresh}
