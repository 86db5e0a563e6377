"""Users as they are read, and the user object of the API."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, LiteralString
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row, scalar_row

from sandbox.supabase.auth.errors import Refusal

AUDIENCE = "authenticated"
_SELECT: LiteralString = """
    select u.id, u.aud, u.role, u.email, u.phone, u.encrypted_password, u.email_confirmed_at, u.confirmed_at,
    u.last_sign_in_at, u.raw_app_meta_data, u.raw_user_meta_data, u.banned_until, u.is_anonymous,
    u.created_at, u.updated_at, u.deleted_at,
    coalesce(
        (
            select jsonb_agg(
                jsonb_build_object(
                    'identity_id', i.id,
                    'id', i.provider_id,
                    'user_id', i.user_id,
                    'identity_data', i.identity_data,
                    'provider', i.provider,
                    'last_sign_in_at', i.last_sign_in_at,
                    'created_at', i.created_at,
                    'updated_at', i.updated_at,
                    'email', i.email
                ) order by i.created_at
            )
            from auth.identities i where i.user_id = u.id
        ),
        '[]'
    ) as identities
    from auth.users u
"""


@dataclass(frozen=True)
class User:
    """One row; `raw_…` as Supabase names the columns, `identities` as the API shows them."""

    id: UUID
    aud: str
    role: str
    email: str | None
    phone: str | None
    encrypted_password: str | None
    email_confirmed_at: datetime | None
    confirmed_at: datetime | None
    last_sign_in_at: datetime | None
    raw_app_meta_data: dict[str, Any] | None
    raw_user_meta_data: dict[str, Any] | None
    banned_until: datetime | None
    is_anonymous: bool
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None
    identities: list[dict[str, Any]]

    @property
    def is_banned(self) -> bool:
        return self.banned_until is not None and self.banned_until > datetime.now(UTC)

    def public(self) -> dict[str, Any]:
        """The user object of the API: everything but the password's hash."""
        optional = {
            "email_confirmed_at": self.email_confirmed_at,
            "confirmed_at": self.confirmed_at,
            "last_sign_in_at": self.last_sign_in_at,
            "banned_until": self.banned_until,
            "deleted_at": self.deleted_at,
        }
        return {
            "id": str(self.id),
            "aud": self.aud,
            "role": self.role,
            "email": self.email or "",
            "phone": self.phone or "",
            **{name: _instant(value) for name, value in optional.items() if value is not None},
            "app_metadata": self.raw_app_meta_data or {},
            "user_metadata": self.raw_user_meta_data or {},
            "identities": self.identities,
            "created_at": _instant(self.created_at),
            "updated_at": _instant(self.updated_at),
            "is_anonymous": self.is_anonymous,
        }


def _instant(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def find_user(connection: Connection, user_id: UUID, *, lock: bool = False) -> User | None:
    """Also one that is banned or softly deleted.

    With `lock`, nobody else changes the user before the transaction ends.
    """
    if lock:
        connection.execute("select from auth.users where id = %s for update", [user_id])
    with connection.cursor(row_factory=class_row(User)) as cursor:
        return cursor.execute(_SELECT + "where u.id = %s", [user_id]).fetchone()


def get_user(connection: Connection, user_id: UUID, *, lock: bool = False) -> User:
    """The same for a user who must be there; raises Refusal 404 user_not_found."""
    user = find_user(connection, user_id, lock=lock)
    if user is None:
        raise Refusal(404, "user_not_found", "User not found")
    return user


def find_user_by_email(connection: Connection, email: str) -> User | None:
    """The user with that address, written as `normal_email` writes it."""
    with connection.cursor(row_factory=class_row(User)) as cursor:
        return cursor.execute(_SELECT + "where u.email = %s and not u.is_sso_user", [email]).fetchone()


def list_users(connection: Connection, page: int, per_page: int) -> tuple[list[User], int]:
    """One page (counted from 1), newest first, and how many users there are altogether."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        total = next(cursor.execute("select count(*) from auth.users"))
    with connection.cursor(row_factory=class_row(User)) as cursor:
        users = cursor.execute(
            _SELECT + "order by u.created_at desc, u.id limit %s offset %s", [per_page, (page - 1) * per_page]
        ).fetchall()
    return users, total
