"""Access tokens: issued for a session, and read back from a request."""

import time
from typing import Any
from uuid import UUID

import jwt

from sandbox.supabase.auth.errors import Refusal
from sandbox.supabase.auth.sessions import Session
from sandbox.supabase.auth.users import AUDIENCE, User

_ALGORITHM = "HS256"


class Tokens:
    """Signs and checks with one secret; `lifetime` is in seconds."""

    def __init__(self, secret: str, issuer: str, lifetime: int) -> None:
        self._secret = secret
        self._issuer = issuer
        self.lifetime = lifetime

    def issue(self, user: User, session: Session) -> tuple[str, int]:
        """A token of `user` in `session`, and when it expires (Unix seconds)."""
        now = int(time.time())
        expires_at = now + self.lifetime
        claims: dict[str, Any] = {
            "iss": self._issuer,
            "sub": str(user.id),
            "aud": user.aud,
            "exp": expires_at,
            "iat": now,
            "email": user.email or "",
            "phone": user.phone or "",
            "app_metadata": user.raw_app_meta_data or {},
            "user_metadata": user.raw_user_meta_data or {},
            "role": user.role,
            "aal": "aal1",
            "amr": [{"method": "password", "timestamp": int(session.created_at.timestamp())}],
            "session_id": str(session.id),
            "is_anonymous": user.is_anonymous,
        }
        return jwt.encode(claims, self._secret, _ALGORITHM), expires_at

    def read(self, token: str) -> dict[str, Any]:
        """The claims of a token with our signature that has not expired; raises Refusal 403 bad_jwt."""
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._secret,
                algorithms=[_ALGORITHM],
                # The audience is judged last, by whoever needs one: the project's keys have none.
                options={"require": ["exp"], "verify_aud": False, "verify_iat": False},
            )
        except (jwt.InvalidTokenError, RecursionError) as error:
            reason = f"invalid JWT: unable to parse or verify signature, {error}"
            raise Refusal(403, "bad_jwt", reason) from error
        return claims


def user_id_of(claims: dict[str, Any]) -> UUID:
    """Whose token it is; raises Refusal 403 bad_jwt for the project's keys, which are nobody's."""
    subject = claims.get("sub")
    if not subject:
        raise Refusal(403, "bad_jwt", "invalid claim: missing sub claim")
    try:
        return UUID(subject)
    except ValueError as error:
        raise Refusal(400, "bad_jwt", "invalid claim: sub claim must be a UUID") from error


def session_id_of(claims: dict[str, Any]) -> UUID | None:
    """The session that the token belongs to, None when it names none."""
    named = claims.get("session_id")
    if not named:
        return None
    try:
        return UUID(str(named))
    except ValueError as error:
        raise Refusal(403, "bad_jwt", "invalid claim: session_id claim must be a UUID") from error


def require_audience(claims: dict[str, Any]) -> None:
    """Raises Refusal 400 for a token that was made for another audience."""
    named = claims.get("aud")
    audiences = named if isinstance(named, list) else [named]
    if AUDIENCE not in audiences:
        raise Refusal(400, "validation_failed", "Token audience doesn't match request audience")
