"""Users as they are made, changed and removed."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from psycopg import Connection
from psycopg.errors import UniqueViolation
from psycopg.types.json import Jsonb

from sandbox.supabase.auth.errors import Refusal
from sandbox.supabase.auth.sessions import end_sessions
from sandbox.supabase.auth.users import AUDIENCE, User, get_user

_PROVIDERS = {"provider": "email", "providers": ["email"]}


@dataclass(frozen=True)
class Change:
    """What is said about a user, new or not; None is "not said".

    In metadata, a value of None removes its key. A `ban` counts from now, one of length 0 ends the present
    one. `password_hash` is for storing as it is.
    """

    email: str | None = None
    password_hash: str | None = None
    role: str | None = None
    confirms_email: bool = False
    app_metadata: dict[str, Any] | None = None
    user_metadata: dict[str, Any] | None = None
    ban: timedelta | None = None


def create_user(connection: Connection, email: str, said: Change, user_id: UUID | None = None) -> User:
    """A user who signs in by that address. Raises Refusal 422: email_exists, user_already_exists (the id)."""
    user_id = user_id or uuid4()
    try:
        connection.execute(
            """
            insert into auth.users (id, aud, role, email, raw_app_meta_data, raw_user_meta_data)
            values (%s, %s, %s, %s, %s, %s)
            """,
            # Triggers on this table may want to read the metadata when the row is new.
            [user_id, AUDIENCE, AUDIENCE, email, Jsonb(_PROVIDERS), Jsonb(said.user_metadata or {})],
        )
    except UniqueViolation as violation:
        raise _taken(violation) from violation
    identity = {"sub": str(user_id), "email": email, "email_verified": False, "phone_verified": False}
    connection.execute(
        """
        insert into auth.identities (provider_id, user_id, identity_data, provider)
        values (%s, %s, %s, 'email')
        """,
        [str(user_id), user_id, Jsonb(identity)],
    )
    return _apply(connection, get_user(connection, user_id), said)


def change_user(connection: Connection, user_id: UUID, said: Change) -> User:
    """Raises Refusal 404 user_not_found, 422 email_exists. A new password ends all sessions."""
    user = _apply(connection, get_user(connection, user_id, lock=True), said)
    if said.email:
        connection.execute(
            """
            update auth.identities set identity_data = identity_data || %s, updated_at = now()
            where user_id = %s and provider = 'email'
            """,
            [Jsonb({"email": said.email, "email_verified": said.confirms_email}), user_id],
        )
    if said.password_hash:
        end_sessions(connection, user_id)
    return get_user(connection, user.id)


def remove_user(connection: Connection, user_id: UUID) -> None:
    """With everything that refers to the user. Raises Refusal 404 user_not_found."""
    get_user(connection, user_id)
    connection.execute("delete from auth.users where id = %s", [user_id])


def blank_user(connection: Connection, user_id: UUID) -> None:
    """The soft deletion: the row stays for those who refer to it, what it says of a person goes.

    Raises Refusal 404 user_not_found.
    """
    user = get_user(connection, user_id, lock=True)
    if user.deleted_at:
        return
    connection.execute(
        """
        update auth.users
        set email = encode(sha256(convert_to(id::text || coalesce(email, ''), 'UTF8')), 'hex'),
            encrypted_password = '', raw_app_meta_data = '{}', raw_user_meta_data = '{}',
            deleted_at = now(), updated_at = now()
        where id = %s
        """,
        [user_id],
    )
    connection.execute(
        """
        update auth.identities
        set provider_id = encode(sha256(convert_to(id::text || provider_id, 'UTF8')), 'hex'),
            identity_data = '{}', updated_at = now()
        where user_id = %s
        """,
        [user_id],
    )
    end_sessions(connection, user_id)


def note_sign_in(connection: Connection, user_id: UUID) -> None:
    """Remembers that the user signed in just now."""
    connection.execute(
        "update auth.users set last_sign_in_at = now(), updated_at = now() where id = %s", [user_id]
    )
    connection.execute("update auth.identities set last_sign_in_at = now() where user_id = %s", [user_id])


def _apply(connection: Connection, user: User, said: Change) -> User:
    user_metadata = _merged(user.raw_user_meta_data, said.user_metadata)
    if said.confirms_email:
        user_metadata["email_verified"] = True
    try:
        connection.execute(
            """
            update auth.users
            set email = coalesce(%(email)s, email),
                encrypted_password = coalesce(%(hash)s, encrypted_password),
                role = coalesce(%(role)s, role),
                email_confirmed_at = case when %(confirms)s then now() else email_confirmed_at end,
                raw_app_meta_data = %(app)s,
                raw_user_meta_data = %(user)s,
                banned_until = case
                    when %(ban)s::interval is null then banned_until
                    when %(ban)s > interval '0' then now() + %(ban)s
                end,
                updated_at = now()
            where id = %(id)s
            """,
            {
                "id": user.id,
                "email": said.email,
                "hash": said.password_hash,
                "role": said.role,
                "confirms": said.confirms_email,
                "app": Jsonb(_merged(user.raw_app_meta_data, said.app_metadata)),
                "user": Jsonb(user_metadata),
                "ban": said.ban,
            },
        )
    except UniqueViolation as violation:
        raise _taken(violation) from violation
    return get_user(connection, user.id)


def _merged(present: dict[str, Any] | None, said: dict[str, Any] | None) -> dict[str, Any]:
    return {key: value for key, value in {**(present or {}), **(said or {})}.items() if value is not None}


def _taken(violation: UniqueViolation) -> Exception:
    """The refusal, or the violation itself: that of a trigger on this table is none of the caller's doing."""
    if violation.diag.constraint_name == "users_email_partial_key":
        return Refusal(422, "email_exists", "A user with this email address has already been registered")
    if violation.diag.constraint_name == "users_pkey":
        return Refusal(422, "user_already_exists", "A user with this id has already been registered")
    return violation
