"""Who is asking: the JSON web token of a request, checked as PostgREST checks it."""

import time
from collections.abc import Callable
from typing import Any

import jwt

from sandbox.supabase.gateway.errors import ApiError

ANONYMOUS = "anon"
_LEEWAY_SECONDS = 30


def anonymous_claims() -> dict[str, Any]:
    return {"role": ANONYMOUS}


def verify_token(token: str, secret: str, now: Callable[[], float] = time.time) -> dict[str, Any]:
    """The claims of an HS256 token, with `role` always set.

    Raises PGRST301 for a token that `secret` did not sign, PGRST303 for one whose claims do not hold now.
    """
    if not token:
        raise _refused("PGRST301", "Empty JWT is sent in Authorization header")
    parts = token.count(".") + 1
    if parts != 3:
        raise _refused("PGRST301", f"Expected 3 parts in JWT; got {parts}")
    try:
        # Only the signature: the times are checked below, with PostgREST's tolerance and words.
        claims: dict[str, Any] = jwt.decode(
            token,
            secret,
            algorithms=["HS256"],
            options={
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
                "verify_aud": False,
                "verify_iss": False,
                "verify_sub": False,
                "verify_jti": False,
            },
        )
    except jwt.InvalidAlgorithmError as error:
        raise _refused("PGRST301", "Wrong or unsupported encoding algorithm") from error
    except jwt.PyJWTError as error:
        raise _refused("PGRST301", "JWT cryptographic operation failed") from error
    _check_times(claims, now())
    if claims.get("aud") not in (None, "authenticated", ["authenticated"]):
        raise _refused("PGRST303", "JWT not in audience")
    role = claims.get("role", ANONYMOUS)
    if not isinstance(role, str) or not role:
        raise _refused("PGRST303", "The JWT 'role' claim must be a string")
    return claims | {"role": role}


def _check_times(claims: dict[str, Any], now: float) -> None:
    for claim in ("exp", "nbf", "iat"):
        value = claims.get(claim)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise _refused("PGRST303", f"The JWT '{claim}' claim must be a number")
    if claims.get("exp") is not None and now - _LEEWAY_SECONDS > claims["exp"]:
        raise _refused("PGRST303", "JWT expired")
    if claims.get("nbf") is not None and now + _LEEWAY_SECONDS < claims["nbf"]:
        raise _refused("PGRST303", "JWT not yet valid")
    if claims.get("iat") is not None and now + _LEEWAY_SECONDS < claims["iat"]:
        raise _refused("PGRST303", "JWT issued at future")


def _refused(code: str, message: str) -> ApiError:
    challenge = f'Bearer error="invalid_token", error_description="{message}"'
    return ApiError(401, code, message, headers={"WWW-Authenticate": challenge})
