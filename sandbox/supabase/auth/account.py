"""What a signed-in person asks: who they are, and to be signed out."""

from dataclasses import dataclass
from typing import Any

from psycopg import Connection
from starlette.responses import JSONResponse, Response

from sandbox.supabase.auth.calls import Call
from sandbox.supabase.auth.errors import Refusal, invalid
from sandbox.supabase.auth.parts import Parts
from sandbox.supabase.auth.sessions import Session, end_sessions, find_session
from sandbox.supabase.auth.tokens import require_audience, session_id_of, user_id_of
from sandbox.supabase.auth.users import User, find_user

_SCOPES = ("global", "local", "others")


@dataclass(frozen=True)
class SignedIn:
    """Whose token a request bears; `session` is None when the token names none."""

    user: User
    session: Session | None


def show_user(parts: Parts, call: Call) -> Response:
    """GET /user: the user object, while user and session still are what the token says."""
    claims = parts.tokens.read(call.bearer)
    with parts.database.transaction() as connection:
        signed_in = _signed_in(connection, claims)
    require_audience(claims)
    return JSONResponse(signed_in.user.public())


def sign_out(parts: Parts, call: Call) -> Response:
    """POST /logout?scope=: ends all sessions of the user, the token's own, or all but that."""
    claims = parts.tokens.read(call.bearer)
    with parts.database.transaction() as connection:
        signed_in = _signed_in(connection, claims)
        scope = call.request.query_params.get("scope") or "global"
        if scope not in _SCOPES:
            raise invalid(f"Unsupported logout scope {scope!r}, it must be one of {', '.join(_SCOPES)}")
        own = signed_in.session.id if signed_in.session else None
        end_sessions(
            connection,
            signed_in.user.id,
            only=own if scope == "local" else None,
            but=own if scope == "others" else None,
        )
    return Response(status_code=204)


def _signed_in(connection: Connection, claims: dict[str, Any]) -> SignedIn:
    """Judges in the order of Supabase Auth, so that each refusal has the same code."""
    user_id = user_id_of(claims)
    user = find_user(connection, user_id)
    if user is None:
        raise Refusal(403, "user_not_found", "User from sub claim in JWT does not exist")
    session_id = session_id_of(claims)
    session = find_session(connection, session_id) if session_id else None
    if session_id and (session is None or session.user_id != user.id):
        raise Refusal(403, "session_not_found", "Session from session_id claim in JWT does not exist")
    if user.is_banned:
        raise Refusal(403, "user_banned", "User is banned")
    return SignedIn(user, session)
