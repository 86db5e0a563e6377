"""The desk's own sessions: rows that hold a cookie's hash and tokens nobody but the cookie can read."""

from __future__ import annotations

from supabase import Client

from dashboard.domain.shape import Instant, Shape
from dashboard.store.connection import call
from dashboard.store.reading import understood


class StoredSession(Shape):
    """The answer of `desk_session`; `version` counts the renewals of the sealed tokens."""

    user_id: str
    sealed: str
    version: int
    opened_at: Instant


class Lease(Shape):
    """The answer of `take_refresh`: one refresher at a time, for ten seconds."""

    taken: bool
    lease_token: str | None = None


def open_session(user: Client, cookie_hash: str, sealed: str) -> int:
    """Store a new session of the signed-in person; answers its version. Raises Inactive."""
    return int(call(user, "open_desk_session", {"cookie_hash": cookie_hash, "sealed": sealed})["version"])


def find_session(anon: Client, cookie_hash: str) -> StoredSession | None:
    """The session, or None: unknown, closed, too old, idle too long, or its person switched off."""
    row = call(anon, "desk_session", {"cookie_hash": cookie_hash})
    return understood(StoredSession, row) if row else None


def take_refresh(anon: Client, cookie_hash: str, version: int) -> Lease:
    """Ask to be the one who renews the tokens of this version."""
    return understood(Lease, call(anon, "take_refresh", {"cookie_hash": cookie_hash, "version": version}))


def store_refresh(anon: Client, cookie_hash: str, lease_token: str, sealed: str) -> int:
    """Store renewed tokens; answers the new version. Raises LostLease."""
    answer = call(
        anon,
        "store_refresh",
        {"cookie_hash": cookie_hash, "lease_token": lease_token, "sealed": sealed},
    )
    return int(answer["version"])


def close_session(anon: Client, cookie_hash: str) -> None:
    """End a session; one that is not there is no error."""
    call(anon, "close_desk_session", {"cookie_hash": cookie_hash})


def close_all_sessions(user: Client) -> int:
    """End every session of the signed-in person; answers how many. Raises NotSignedIn, Inactive."""
    return int(call(user, "close_all_desk_sessions")["closed"])
