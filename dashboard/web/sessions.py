"""Who is behind a cookie, for middleware and pages of this process."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache

from supabase import Client

from dashboard.domain.clock import Clock, utc_now
from dashboard.errors import IncidentScribeError, LostLease, NotSignedIn, UpstreamUnreachable
from dashboard.settings import WebSettings
from dashboard.store import sessions as store
from dashboard.store import tokens as auth
from dashboard.store.connection import as_anon, as_user
from dashboard.store.patience import screen_http_client
from dashboard.store.tokens import Tokens
from dashboard.web.seal import SealError, cookie_hash, new_cookie, seal, unseal

log = logging.getLogger(__name__)

RECHECK_SECONDS = 5.0
"""So long after a sign-out elsewhere may this process still know the session."""

UNREACHABLE_GRACE = timedelta(minutes=15)
"""So long may known sessions see last known data while Supabase does not answer."""

RENEW_WITHIN_SECONDS = 90.0
_WAIT_FOR_OTHERS_SECONDS = 10.0
_LOOK_AGAIN_SECONDS = 0.25
_MOST_KNOWN = 5_000
_LOCKS = 64


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A person's session as this process knows it; `checked_at` says since when."""

    user_id: str
    tokens: Tokens = field(repr=False)
    version: int
    opened_at: datetime
    checked_at: datetime

    @property
    def access_token(self) -> str:
        return self.tokens.access_token


class DeskSessions:
    """Opens, finds, renews and closes sessions. Safe to use from many threads.

    Answers are kept for a few seconds, so that a page's many small runs do not ask the database each time.
    """

    def __init__(self, settings: WebSettings, clock: Clock = utc_now) -> None:
        self._settings = settings
        self._clock = clock
        self._known: OrderedDict[str, SignedIn] = OrderedDict()
        self._guard = threading.Lock()
        self._ask_again_at: datetime | None = None
        self._locks = tuple(threading.Lock() for _ in range(_LOCKS))

    def open(self, email: str, password: str) -> str:
        """Sign in; answers the new cookie. Raises NotSignedIn, Inactive, UpstreamUnreachable."""
        tokens = auth.sign_in(self._anon(), email, password)
        cookie = new_cookie()
        try:
            user = as_user(self._settings, tokens.access_token)
            store.open_session(user, cookie_hash(cookie), seal(cookie, tokens))
        except IncidentScribeError:
            self._end_at_auth(tokens)
            raise
        return cookie

    def ask(self) -> None:
        """Ask for a session that nobody has, as for those that people have. Raises errors of our tree."""
        store.find_session(self._anon_on_screen(), cookie_hash(new_cookie()))

    def find(self, cookie: str | None) -> SignedIn | None:
        """The session behind a cookie with usable tokens, or None. Raises UpstreamUnreachable."""
        if not cookie:
            return None
        name = cookie_hash(cookie)
        with self._locks[int(name[:4], 16) % _LOCKS]:
            known = self._known.get(name)
            if known and self._is_fresh(known):
                return known
            now = self._clock()
            may_last = known is not None and now - known.checked_at < UNREACHABLE_GRACE
            if may_last and self._ask_again_at and now < self._ask_again_at:
                return known
            try:
                found = self._look_up(cookie, name, known)
            except UpstreamUnreachable:
                # Every page would wait in vain; the others ask again in a few seconds.
                self._ask_again_at = self._clock() + timedelta(seconds=RECHECK_SECONDS)
                if may_last:
                    return known
                raise
            self._ask_again_at = None
            self._remember(name, found)
            return found

    def close(self, cookie: str) -> None:
        """End the session here, in the database and at Supabase Auth. Raises UpstreamUnreachable."""
        name = cookie_hash(cookie)
        row = store.find_session(self._anon(), name)
        store.close_session(self._anon(), name)
        self._remember(name, None)
        if row is None:
            return
        try:
            self._end_at_auth(unseal(cookie, row.sealed))
        except SealError:
            log.warning("A session could not be opened while it was closed; its tokens end by themselves.")

    def close_everywhere(self, cookie: str) -> bool:
        """End all sessions of this person, on every desk and at Supabase Auth; tells whether Auth confirmed.

        Raises UpstreamUnreachable, NotSignedIn, Inactive while nothing is ended yet.
        """
        found = self.find(cookie)
        if found is None:
            return True
        store.close_all_sessions(as_user(self._settings, found.access_token))
        with self._guard:
            for name in [name for name, known in self._known.items() if known.user_id == found.user_id]:
                del self._known[name]
        return self._end_at_auth(found.tokens, everywhere=True)

    def _anon(self) -> Client:
        return as_anon(self._settings)

    def _anon_on_screen(self) -> Client:
        return as_anon(self._settings, screen_http_client())

    def _is_fresh(self, known: SignedIn) -> bool:
        now = self._clock()
        checked = (now - known.checked_at).total_seconds()
        return checked < RECHECK_SECONDS and not known.tokens.ends_within(RENEW_WITHIN_SECONDS, now)

    def _remember(self, name: str, found: SignedIn | None) -> None:
        with self._guard:
            self._known.pop(name, None)
            if found:
                self._known[name] = found
            while len(self._known) > _MOST_KNOWN:
                self._known.popitem(last=False)

    def _look_up(self, cookie: str, name: str, known: SignedIn | None) -> SignedIn | None:
        row = store.find_session(self._anon_on_screen(), name)
        if row is None:
            return None
        same = known is not None and known.version == row.version
        found = self._read(cookie, row, known.tokens if known and same else None)
        if found and found.tokens.ends_within(RENEW_WITHIN_SECONDS, self._clock()):
            return self._renew(cookie, name, found)
        return found

    def _read(self, cookie: str, row: store.StoredSession, tokens: Tokens | None) -> SignedIn | None:
        try:
            tokens = tokens or unseal(cookie, row.sealed)
        except SealError:
            log.warning("A stored session does not belong to the cookie that names it; it is not used.")
            return None
        return SignedIn(row.user_id, tokens, row.version, row.opened_at, self._clock())

    def _renew(self, cookie: str, name: str, found: SignedIn) -> SignedIn | None:
        """New tokens, by this process or by the one that has the lease."""
        give_up_at = self._clock() + timedelta(seconds=_WAIT_FOR_OTHERS_SECONDS)
        while True:
            lease = store.take_refresh(self._anon(), name, found.version)
            if lease.taken and lease.lease_token:
                return self._renew_as_holder(cookie, name, found, lease.lease_token)
            if not found.tokens.ends_within(0, self._clock()):
                return found  # somebody else is at it, and the old token still serves
            if self._clock() >= give_up_at:
                raise UpstreamUnreachable("Supabase", "The sign-in could not be renewed in time.")
            threading.Event().wait(_LOOK_AGAIN_SECONDS)  # the lease is another process's: nothing to await
            row = store.find_session(self._anon(), name)
            newer = self._read(cookie, row, None) if row else None
            if newer is None or newer.version != found.version:
                return newer

    def _renew_as_holder(self, cookie: str, name: str, found: SignedIn, lease: str) -> SignedIn | None:
        try:
            tokens = auth.refresh(self._anon(), found.tokens.refresh_token)
        except NotSignedIn:
            store.close_session(self._anon(), name)
            return None
        try:
            version = store.store_refresh(self._anon(), name, lease, seal(cookie, tokens))
        except LostLease:
            row = store.find_session(self._anon(), name)
            return self._read(cookie, row, None) if row else None
        return SignedIn(found.user_id, tokens, version, found.opened_at, self._clock())

    def _end_at_auth(self, tokens: Tokens, *, everywhere: bool = False) -> bool:
        try:
            auth.sign_out(self._anon(), tokens.access_token, everywhere=everywhere)
        except IncidentScribeError as error:
            # The desk's session is closed already; what is left at Auth ends with its own time.
            log.warning("Supabase Auth did not confirm the sign-out: %s", error.what)
            return False
        return True


@lru_cache(maxsize=1)
def desk_sessions() -> DeskSessions:
    """The sessions of this process, for the settings in the environment."""
    return DeskSessions(WebSettings.load())
