"""The administration of users, for the service role only."""

import math
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from sandbox.supabase.auth.bans import ban_duration
from sandbox.supabase.auth.calls import Call
from sandbox.supabase.auth.emails import require_email
from sandbox.supabase.auth.errors import Refusal, invalid, not_served
from sandbox.supabase.auth.parts import Parts
from sandbox.supabase.auth.passwords import require_usable_hash
from sandbox.supabase.auth.registry import Change, blank_user, change_user, create_user, remove_user
from sandbox.supabase.auth.users import AUDIENCE, get_user, list_users

_ROLES = ("service_role", "supabase_admin")
_PER_PAGE = 50
_MOST_DIGITS = 9


class Attributes(BaseModel):
    """The body of a creation or a change; null counts as not said, and so does "" but for a password."""

    id: str | None = None
    email: str | None = None
    phone: str | None = None
    password: str | None = None
    password_hash: str | None = None
    role: str | None = Field(default=None, max_length=255)
    email_confirm: bool | None = None
    ban_duration: str | None = None
    app_metadata: dict[str, Any] | None = None
    user_metadata: dict[str, Any] | None = None


class Removal(BaseModel):
    """The body of a deletion."""

    should_soft_delete: bool = False


def create(parts: Parts, call: Call) -> Response:
    """POST /admin/users: answers the new user."""
    _require_admin(parts, call)
    asked = call.read(Attributes)
    change = _change(parts, asked)
    if change.email is None:
        raise invalid("Cannot create a user without either an email or phone")
    wanted_id = _wanted_id(asked.id) if asked.id else None
    with parts.database.transaction() as connection:
        user = create_user(connection, change.email, change, wanted_id)
    return JSONResponse(user.public())


def show_page(parts: Parts, call: Call) -> Response:
    """GET /admin/users?page=&per_page=: newest first; both empty means the first 50."""
    _require_admin(parts, call)
    page, per_page = _number(call, "page", 1), _number(call, "per_page", _PER_PAGE)
    with parts.database.transaction() as connection:
        users, total = list_users(connection, page, per_page)
    last = max(1, math.ceil(total / per_page))
    links = {"next": page + 1, "last": last} if page < last else {"last": last}
    return JSONResponse(
        {"users": [user.public() for user in users], "aud": AUDIENCE},
        headers={
            "X-Total-Count": str(total),
            "Link": ", ".join(
                f'<{call.request.url.path}?{urlencode({"page": number, "per_page": per_page})}>; rel="{name}"'
                for name, number in links.items()
            ),
        },
    )


def show(parts: Parts, call: Call) -> Response:
    """GET /admin/users/{user_id}."""
    _require_admin(parts, call)
    user_id = _user_id(call)
    with parts.database.transaction() as connection:
        return JSONResponse(get_user(connection, user_id).public())


def change(parts: Parts, call: Call) -> Response:
    """PUT /admin/users/{user_id}: answers the changed user."""
    _require_admin(parts, call)
    user_id, said = _user_id(call), _change(parts, call.read(Attributes))
    with parts.database.transaction() as connection:
        return JSONResponse(change_user(connection, user_id, said).public())


def remove(parts: Parts, call: Call) -> Response:
    """DELETE /admin/users/{user_id}; a soft deletion keeps the row and nothing of the person."""
    _require_admin(parts, call)
    user_id = _user_id(call)
    is_soft = bool(call.body) and call.read(Removal).should_soft_delete
    with parts.database.transaction() as connection:
        (blank_user if is_soft else remove_user)(connection, user_id)
    return JSONResponse({})


def _require_admin(parts: Parts, call: Call) -> None:
    """Raises Refusal 401 without a token, 403 bad_jwt for a bad one, 403 not_admin for any other role."""
    if parts.tokens.read(call.bearer).get("role") not in _ROLES:
        raise Refusal(403, "not_admin", "User not allowed")


def _change(parts: Parts, asked: Attributes) -> Change:
    if asked.phone:
        raise not_served("users with a phone number")
    return Change(
        email=require_email(asked.email) if asked.email else None,
        password_hash=_password_hash(parts, asked),
        role=asked.role or None,
        confirms_email=bool(asked.email_confirm),
        app_metadata=asked.app_metadata,
        user_metadata=asked.user_metadata,
        ban=ban_duration(asked.ban_duration) if asked.ban_duration else None,
    )


def _password_hash(parts: Parts, asked: Attributes) -> str | None:
    if asked.password is not None and asked.password_hash:
        raise invalid("Only a password or a password hash should be provided")
    if asked.password_hash:
        require_usable_hash(asked.password_hash)
        return asked.password_hash
    if asked.password is None:
        return None
    parts.passwords.require_good(asked.password)
    return parts.passwords.hash(asked.password)


def _user_id(call: Call) -> UUID:
    try:
        return UUID(call.request.path_params["user_id"])
    except ValueError as error:
        raise Refusal(404, "validation_failed", "user_id must be an UUID") from error


def _wanted_id(text: str) -> UUID:
    try:
        wanted = UUID(text)
    except ValueError as error:
        raise invalid("ID must conform to the uuid v4 format") from error
    if wanted.int == 0:
        raise invalid("ID cannot be a nil uuid")
    return wanted


def _number(call: Call, name: str, default: int) -> int:
    text = call.request.query_params.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit()) or len(text) > _MOST_DIGITS or int(text) == 0:
        raise invalid(f"Bad Pagination Parameters: {name} must be a number from 1")
    return int(text)
