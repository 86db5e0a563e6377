"""Sessions: sealed by their cookie, renewed by one at a time, known for a while when Supabase is away."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.errors import Inactive, NotSignedIn, UpstreamUnreachable
from dashboard.settings import WebSettings
from dashboard.store.tokens import Tokens
from dashboard.web import seal
from dashboard.web.sessions import DeskSessions
from tests.support.auth_fake import PASSWORD, FakeAuth, MovableClock

START = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
TOKENS = Tokens("access", "refresh", START)


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(START)


@pytest.fixture
def auth(clock: MovableClock, monkeypatch: pytest.MonkeyPatch) -> FakeAuth:
    fake = FakeAuth(clock)
    fake.install(monkeypatch)
    return fake


@pytest.fixture
def settings() -> WebSettings:
    return WebSettings.load(
        supabase_url="http://127.0.0.1:29599", supabase_anon_key="anon", kestra_password="unused"
    )


@pytest.fixture
def sessions(settings: WebSettings, clock: MovableClock, auth: FakeAuth) -> DeskSessions:
    return DeskSessions(settings, clock)


class TestSeal:
    def test_only_the_same_cookie_opens_it(self) -> None:
        cookie = seal.new_cookie()
        sealed = seal.seal(cookie, TOKENS)
        assert seal.unseal(cookie, sealed) == TOKENS
        with pytest.raises(seal.SealError):
            seal.unseal(seal.new_cookie(), sealed)

    def test_neither_cookie_nor_tokens_stand_in_what_is_stored(self) -> None:
        cookie = seal.new_cookie()
        stored = seal.cookie_hash(cookie) + seal.seal(cookie, TOKENS)
        assert cookie not in stored
        assert "access" not in stored

    @given(st.text(max_size=200))
    def test_garbage_is_refused(self, garbage: str) -> None:
        with pytest.raises(seal.SealError):
            seal.unseal("cookie", garbage)

    def test_a_changed_letter_is_refused(self) -> None:
        cookie = seal.new_cookie()
        sealed = seal.seal(cookie, TOKENS)
        changed = sealed[:30] + ("A" if sealed[30] != "A" else "B") + sealed[31:]
        with pytest.raises(seal.SealError):
            seal.unseal(cookie, changed)

    def test_a_form_token_belongs_to_one_cookie_and_one_form(self) -> None:
        token = seal.form_token("a", "login")
        assert seal.is_form_token("a", "login", token)
        assert not seal.is_form_token("a", "logout", token)
        assert not seal.is_form_token("b", "login", token)
        assert not seal.is_form_token("", "login", seal.form_token("", "login"))
        assert not seal.is_form_token("a", "login", "ä")

    def test_tokens_are_never_printed(self) -> None:
        assert "access'" not in repr(TOKENS)


def test_a_new_session_is_found_by_its_cookie(sessions: DeskSessions) -> None:
    cookie = sessions.open("ana@demo.example", PASSWORD)
    found = sessions.find(cookie)
    assert found is not None
    assert found.access_token.startswith("access-")
    assert sessions.find("another") is None
    assert sessions.find(None) is None


def test_a_wrong_password_opens_nothing(sessions: DeskSessions, auth: FakeAuth) -> None:
    with pytest.raises(NotSignedIn):
        sessions.open("ana@demo.example", "wrong")
    assert not auth.rows


def test_somebody_switched_off_is_signed_out_at_auth_again(sessions: DeskSessions, auth: FakeAuth) -> None:
    auth.open_refusal = Inactive("Supabase", "This account is switched off.")
    with pytest.raises(Inactive):
        sessions.open("ana@demo.example", PASSWORD)
    assert len(auth.signed_out) == 1


def test_many_looks_in_a_few_seconds_ask_once(
    sessions: DeskSessions, auth: FakeAuth, clock: MovableClock
) -> None:
    cookie = sessions.open("ana@demo.example", PASSWORD)
    for _ in range(50):
        sessions.find(cookie)
    assert auth.calls.count("find_session") == 1
    clock.pass_seconds(6)
    sessions.find(cookie)
    assert auth.calls.count("find_session") == 2


def test_closing_ends_it_here_and_at_auth(sessions: DeskSessions, auth: FakeAuth) -> None:
    cookie = sessions.open("ana@demo.example", PASSWORD)
    token = sessions.find(cookie).access_token  # type: ignore[union-attr]
    sessions.close(cookie)
    assert sessions.find(cookie) is None
    assert auth.signed_out == [token]


def test_closing_everywhere_ends_the_others_here_at_once(sessions: DeskSessions, auth: FakeAuth) -> None:
    phone, laptop = (sessions.open("ana@demo.example", PASSWORD) for _ in range(2))
    assert sessions.find(laptop)
    token = sessions.find(phone).access_token  # type: ignore[union-attr]
    assert sessions.close_everywhere(phone)
    assert sessions.find(phone) is sessions.find(laptop) is None
    assert auth.signed_out_everywhere == [token]


def test_closing_everywhere_says_when_auth_did_not_confirm(
    sessions: DeskSessions, auth: FakeAuth, monkeypatch: pytest.MonkeyPatch
) -> None:
    cookie = sessions.open("ana@demo.example", PASSWORD)

    def refuse(*_: object, **__: object) -> None:
        raise UpstreamUnreachable("Supabase", "Supabase Auth cannot be reached.")

    monkeypatch.setattr("dashboard.store.tokens.sign_out", refuse)
    assert not sessions.close_everywhere(cookie)
    assert sessions.find(cookie) is None


def test_a_session_closed_elsewhere_ends_here_within_seconds(
    sessions: DeskSessions, auth: FakeAuth, clock: MovableClock
) -> None:
    cookie = sessions.open("ana@demo.example", PASSWORD)
    assert sessions.find(cookie)
    auth.rows.clear()
    clock.pass_seconds(6)
    assert sessions.find(cookie) is None


def test_tokens_are_renewed_before_they_end(
    sessions: DeskSessions, auth: FakeAuth, clock: MovableClock
) -> None:
    cookie = sessions.open("ana@demo.example", PASSWORD)
    old = sessions.find(cookie)
    clock.pass_seconds(3_520)
    new = sessions.find(cookie)
    assert old
    assert new
    assert new.access_token != old.access_token
    assert new.version == 2
    assert auth.calls.count("refresh") == 1


def test_twenty_threads_and_two_desks_renew_once(
    settings: WebSettings, auth: FakeAuth, clock: MovableClock
) -> None:
    desks = [DeskSessions(settings, clock), DeskSessions(settings, clock)]
    cookie = desks[0].open("ana@demo.example", PASSWORD)
    for desk in desks:
        desk.find(cookie)
    clock.pass_seconds(3_520)
    found: list[object] = []
    threads = [
        threading.Thread(target=lambda desk=desk: found.append(desk.find(cookie)))
        for desk in desks
        for _ in range(10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(found)
    assert auth.calls.count("refresh") == 1


def test_while_another_desk_renews_the_old_token_serves(
    sessions: DeskSessions, auth: FakeAuth, clock: MovableClock
) -> None:
    cookie = sessions.open("ana@demo.example", PASSWORD)
    sessions.find(cookie)
    auth.rows[seal.cookie_hash(cookie)]["lease"] = "another desk's"
    clock.pass_seconds(3_520)
    found = sessions.find(cookie)
    assert found is not None
    assert found.version == 1
    assert "refresh" not in auth.calls


def test_a_refresh_token_that_is_over_ends_the_session(
    sessions: DeskSessions, auth: FakeAuth, clock: MovableClock
) -> None:
    cookie = sessions.open("ana@demo.example", PASSWORD)
    auth.refresh_tokens.clear()
    clock.pass_seconds(3_520)
    assert sessions.find(cookie) is None
    assert not auth.rows


def test_known_people_stay_known_for_a_while_when_supabase_is_away(
    sessions: DeskSessions, auth: FakeAuth, clock: MovableClock
) -> None:
    cookie = sessions.open("ana@demo.example", PASSWORD)
    assert sessions.find(cookie)
    auth.down = True
    clock.pass_seconds(600)
    assert sessions.find(cookie)
    with pytest.raises(UpstreamUnreachable):
        sessions.find("unknown")
    clock.pass_seconds(600)
    with pytest.raises(UpstreamUnreachable):
        sessions.find(cookie)


def test_a_row_that_another_cookie_sealed_lets_nobody_in(sessions: DeskSessions, auth: FakeAuth) -> None:
    cookie = sessions.open("ana@demo.example", PASSWORD)
    auth.rows[seal.cookie_hash(cookie)]["sealed"] = seal.seal("another", TOKENS)
    assert sessions.find(cookie) is None
