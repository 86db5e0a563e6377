"""Supabase's part of signing in, in memory: accounts, rotating refresh tokens, the session functions."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from dashboard.domain.clock import Clock
from dashboard.errors import IncidentScribeError, LostLease, NotSignedIn, UpstreamUnreachable
from dashboard.store import people, sessions, tokens
from dashboard.store.people import Person, Role
from dashboard.store.sessions import Lease, StoredSession
from dashboard.store.tokens import Tokens

PASSWORD = "correct horse"
USER_ID = "11111111-1111-4111-8111-111111111111"


@dataclass
class FakeAuth:
    """What the patched functions share; tests read and bend it."""

    clock: Clock
    token_seconds: float = 3600
    down: bool = False
    open_refusal: IncidentScribeError | None = None
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    refresh_tokens: set[str] = field(default_factory=set)
    signed_out: list[str] = field(default_factory=list)
    signed_out_everywhere: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for module, names in (
            (tokens, ("sign_in", "refresh", "sign_out")),
            (
                sessions,
                (
                    *("open_session", "find_session", "take_refresh", "store_refresh"),
                    *("close_session", "close_all_sessions"),
                ),
            ),
            (people, ("find_person",)),
        ):
            for name in names:
                monkeypatch.setattr(module, name, getattr(self, name))

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if self.down:
            raise UpstreamUnreachable("Supabase", "Supabase cannot be reached (ConnectError).")

    def _issue(self) -> Tokens:
        refresh = secrets.token_hex(8)
        self.refresh_tokens.add(refresh)
        return Tokens(
            f"access-{secrets.token_hex(8)}", refresh, self.clock() + timedelta(seconds=self.token_seconds)
        )

    def sign_in(self, _: object, email: str, password: str) -> Tokens:
        self._called("sign_in")
        if password != PASSWORD:
            raise NotSignedIn("Supabase", "The sign-in did not work: Invalid login credentials", status=400)
        return self._issue()

    def refresh(self, _: object, refresh_token: str) -> Tokens:
        self._called("refresh")
        if refresh_token not in self.refresh_tokens:
            raise NotSignedIn("Supabase", "The sign-in did not work: Already Used", status=400)
        self.refresh_tokens.remove(refresh_token)
        return self._issue()

    def sign_out(self, _: object, access_token: str, *, everywhere: bool = False) -> None:
        self._called("sign_out")
        (self.signed_out_everywhere if everywhere else self.signed_out).append(access_token)

    def open_session(self, _: object, cookie_hash: str, sealed: str) -> int:
        self._called("open_session")
        if self.open_refusal:
            raise self.open_refusal
        self.rows[cookie_hash] = {"sealed": sealed, "version": 1, "lease": None, "opened_at": self.clock()}
        return 1

    def find_session(self, _: object, cookie_hash: str) -> StoredSession | None:
        self._called("find_session")
        row = self.rows.get(cookie_hash)
        return StoredSession(user_id=USER_ID, **row) if row else None

    def take_refresh(self, _: object, cookie_hash: str, version: int) -> Lease:
        self._called("take_refresh")
        row = self.rows[cookie_hash]
        if row["lease"] or row["version"] != version:
            return Lease(taken=False)
        row["lease"] = secrets.token_hex(8)
        return Lease(taken=True, lease_token=row["lease"])

    def store_refresh(self, _: object, cookie_hash: str, lease_token: str, sealed: str) -> int:
        self._called("store_refresh")
        row = self.rows[cookie_hash]
        if row["lease"] != lease_token:
            raise LostLease("Another desk renews this session.")
        row.update(sealed=sealed, version=row["version"] + 1, lease=None)
        return int(row["version"])

    def close_session(self, _: object, cookie_hash: str) -> None:
        self._called("close_session")
        self.rows.pop(cookie_hash, None)

    def close_all_sessions(self, _: object) -> int:
        self._called("close_all_sessions")
        closed = len(self.rows)
        self.rows.clear()
        return closed

    def find_person(self, _: object, user_id: str) -> Person:
        self._called("find_person")
        return Person(
            user_id=user_id,
            organization_id="22222222-2222-4222-8222-222222222222",
            role=Role.APPROVER,
            display_name="Ana <Approver>",
            email="ana@demo.example",
        )


class MovableClock:
    """A clock that moves only when told."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def pass_seconds(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
