"""Sessions and their refresh tokens, each of which is good for one use."""

import secrets
import string
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from psycopg import Connection
from psycopg.rows import args_row, class_row, tuple_row

_ALPHABET = string.ascii_lowercase + string.digits
_TOKEN_LENGTH = 12


@dataclass(frozen=True)
class Session:
    """A signed-in device; it outlives its tokens."""

    id: UUID
    user_id: UUID
    created_at: datetime
    not_after: datetime | None

    @property
    def is_over(self) -> bool:
        return self.not_after is not None and self.not_after <= datetime.now(UTC)


def open_session(connection: Connection, user_id: UUID, user_agent: str, address: str) -> Session:
    """A new session, still without a token."""
    with connection.cursor(row_factory=class_row(Session)) as cursor:
        cursor.execute(
            """
            insert into auth.sessions (user_id, user_agent, ip) values (%s, %s, %s)
            returning id, user_id, created_at, not_after
            """,
            [user_id, user_agent, address],
        )
        return next(cursor)


def find_session(connection: Connection, session_id: UUID) -> Session | None:
    """The session, None once it was ended."""
    with connection.cursor(row_factory=class_row(Session)) as cursor:
        return cursor.execute(
            "select id, user_id, created_at, not_after from auth.sessions where id = %s", [session_id]
        ).fetchone()


def lock_session_of(connection: Connection, refresh_token: str) -> Session | None:
    """The session of a token, used or not; its refreshes wait for each other until the transaction ends."""
    with connection.cursor(row_factory=class_row(Session)) as cursor:
        return cursor.execute(
            """
            select s.id, s.user_id, s.created_at, s.not_after
            from auth.sessions s join auth.refresh_tokens t on t.session_id = s.id
            where t.token = %s
            for update of s
            """,
            [refresh_token],
        ).fetchone()


def end_sessions(
    connection: Connection, user_id: UUID, *, only: UUID | None = None, but: UUID | None = None
) -> None:
    """Ends the sessions of a user with their tokens: all, one of them, or all but one."""
    connection.execute(
        """
        delete from auth.sessions
        where user_id = %(user)s
            and (%(only)s::uuid is null or id = %(only)s)
            and (%(but)s::uuid is null or id <> %(but)s)
        """,
        {"user": user_id, "only": only, "but": but},
    )


def issue_refresh_token(connection: Connection, session: Session, parent: str | None = None) -> str:
    """A new token of the session; `parent` is the one it is given for."""
    token = "".join(secrets.choice(_ALPHABET) for _ in range(_TOKEN_LENGTH))
    connection.execute(
        "insert into auth.refresh_tokens (token, user_id, session_id, parent) values (%s, %s, %s, %s)",
        [token, str(session.user_id), session.id, parent],
    )
    return token


def rotate(connection: Connection, session: Session, presented: str, reuse: timedelta) -> str | None:
    """The token to go on with, for one of a session that `lock_session_of` holds.

    A used token is good again while its successor is unused (the answer may have been lost), and within
    `reuse` of its first use. Otherwise somebody holds a copy: None, and no token of the session is good any
    more.
    """
    is_used, is_recent = _state(connection, presented, reuse)
    if is_used:
        current, parent = _current(connection, session) or (None, None)
        if current and parent == presented:
            return current
        if not (current and is_recent):
            _revoke_tokens(connection, session)
            return None
    connection.execute(
        "update auth.refresh_tokens set revoked = true, updated_at = now() where token = %s and not revoked",
        [presented],
    )
    connection.execute(
        "update auth.sessions set refreshed_at = now(), updated_at = now() where id = %s", [session.id]
    )
    return issue_refresh_token(connection, session, parent=presented)


def _state(connection: Connection, token: str, reuse: timedelta) -> tuple[bool, bool]:
    """Whether the token was used, and whether that was less than `reuse` ago."""
    with connection.cursor(row_factory=args_row(lambda used, recent: (bool(used), bool(recent)))) as cursor:
        # clock_timestamp: now() is when this transaction began, before it waited for the lock.
        cursor.execute(
            "select revoked, updated_at + %s > clock_timestamp() from auth.refresh_tokens where token = %s",
            [reuse, token],
        )
        return next(cursor)


def _current(connection: Connection, session: Session) -> tuple[str, str | None] | None:
    """The newest unused token and its parent."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        return cursor.execute(
            """
            select token, parent from auth.refresh_tokens where session_id = %s and not revoked
            order by id desc limit 1
            """,
            [session.id],
        ).fetchone()


def _revoke_tokens(connection: Connection, session: Session) -> None:
    connection.execute(
        """
        update auth.refresh_tokens set revoked = true, updated_at = now()
        where session_id = %s and not revoked
        """,
        [session.id],
    )
