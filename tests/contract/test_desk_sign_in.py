"""Sign-in with the real parts: two desks as processes, the gateway, Auth and a migrated database."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette

from dashboard.domain.clock import utc_now
from dashboard.settings import WebSettings
from dashboard.web.asgi import desk_middleware, desk_routes
from dashboard.web.seal import cookie_hash, unseal
from dashboard.web.sessions import RECHECK_SECONDS, DeskSessions
from tests.support.desk_process import Browser, RunningDesk
from tests.support.postgres import RunningPostgres
from tests.support.project import PASSWORD, Supabase, new_project
from tests.support.until import until
from tests.support.web_client import TestClient

# A desk looks again after RECHECK_SECONDS; the rest is for a busy machine.
SECONDS = RECHECK_SECONDS + 4


@pytest.fixture(scope="module")
def supabase(postgres: RunningPostgres) -> Iterator[Supabase]:
    """One for all tests here, which sign in less than the thirty times in five minutes that Auth allows."""
    with new_project(postgres) as project:
        yield project


@pytest.fixture(scope="module")
def ana(supabase: Supabase) -> str:
    return supabase.person("ana")


@pytest.fixture(scope="module")
def rita(supabase: Supabase) -> str:
    return supabase.person("rita")


@pytest.fixture(scope="module")
def desks(
    supabase: Supabase, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[RunningDesk, RunningDesk]]:
    folder = tmp_path_factory.mktemp("desks")
    one, two = RunningDesk(supabase.gateway, folder), RunningDesk(supabase.gateway, folder)
    try:
        one.start()
        two.start()
        one.until_ready()
        two.until_ready()
        yield one, two
    finally:
        one.stop()
        two.stop()


@pytest.fixture
def browser(desks: tuple[RunningDesk, RunningDesk]) -> Iterator[Browser]:
    with one_more(desks[0]) as opened:
        yield opened


@contextmanager
def one_more(desk: RunningDesk, tab_of: Browser | None = None) -> Iterator[Browser]:
    opened = Browser(desk, tab_of.http.cookies if tab_of else None)
    try:
        yield opened
    finally:
        opened.http.close()


def signed_in(browser: Browser, name: str) -> Browser:
    answer = browser.sign_in(f"{name}@desk.example", PASSWORD)
    assert answer.status_code == 303, answer.text
    return browser


@pytest.mark.usefixtures("ana")
class TestOneSession:
    def test_it_outlives_reloads_tabs_and_restarts_and_two_desks_share_it(
        self, browser: Browser, desks: tuple[RunningDesk, RunningDesk]
    ) -> None:
        one, two = desks
        signed_in(browser, "ana")
        assert browser.is_signed_in()
        assert browser.is_signed_in(), "after a reload"
        with one_more(one, tab_of=browser) as tab:
            assert tab.is_signed_in(), "in a second tab"
        assert browser.is_signed_in(two), "on another desk"
        two.stop()
        two.start()
        two.until_ready()
        assert browser.is_signed_in(two), "after a restart"

    def test_ten_tabs_on_two_desks_renew_its_tokens_once(
        self, browser: Browser, desks: tuple[RunningDesk, RunningDesk], supabase: Supabase
    ) -> None:
        signed_in(browser, "ana")
        supabase.let_tokens_end_soon(browser)
        with ThreadPoolExecutor(10) as tabs:
            assert all(tabs.map(lambda n: browser.is_signed_in(desks[n % 2]), range(10)))
        ((sealed, version),) = supabase.rows(
            "select sealed, version from public.desk_sessions where cookie_hash = %s",
            cookie_hash(browser.cookie),
        )
        assert version == 3, "the sign-in, this test's change, one renewal"
        tokens = unseal(browser.cookie, sealed)
        assert not tokens.ends_within(3000, utc_now())
        with supabase.database.connect("supabase_auth_admin") as auth:
            family = auth.execute(
                "select token, revoked from auth.refresh_tokens where session_id ="
                " (select session_id from auth.refresh_tokens where token = %s) order by revoked",
                [tokens.refresh_token],
            ).fetchall()
        assert [(token == tokens.refresh_token, revoked) for token, revoked in family] == [
            (True, False),
            (False, True),
        ]

    def test_the_websocket_opens_for_it_and_for_pages_of_this_desk_only(self, browser: Browser) -> None:
        own = browser.desk.url
        assert browser.upgrade(own) == 403
        signed_in(browser, "ana")
        assert [browser.upgrade(origin) for origin in (own, "https://evil.example", "null")] == [
            101,
            403,
            403,
        ]


class TestSignOut:
    def test_here_it_ends_there_within_seconds_and_only_this_browser(
        self, browser: Browser, desks: tuple[RunningDesk, RunningDesk], supabase: Supabase, ana: str
    ) -> None:
        one, two = desks
        with one_more(two) as phone, one_more(one, tab_of=signed_in(browser, "ana")) as tab:
            signed_in(phone, "ana")
            assert tab.is_signed_in(two)
            before = supabase.auth_sessions(ana)
            assert browser.sign_out(wanted="/incidents").headers["location"] == "/login?next=%2Fincidents"
            assert not tab.is_signed_in(one)
            until(lambda: not tab.is_signed_in(two), "the other desk lets it go", SECONDS)
            assert tab.upgrade(one.url) == 403
            assert supabase.auth_sessions(ana) == before - 1
            assert phone.is_signed_in()

    def test_everywhere_ends_every_browser_of_this_person_and_of_nobody_else(
        self,
        browser: Browser,
        desks: tuple[RunningDesk, RunningDesk],
        supabase: Supabase,
        ana: str,
        rita: str,
    ) -> None:
        one, two = desks
        signed_in(browser, "ana")
        with one_more(two) as phone, one_more(two) as colleague:
            signed_in(phone, "ana")
            signed_in(colleague, "rita")
            assert phone.is_signed_in(one)
            assert phone.is_signed_in(two)
            assert colleague.is_signed_in()
            assert browser.sign_out(everywhere=True).headers["location"] == "/login?next=%2F"
            assert not browser.is_signed_in()
            assert not phone.is_signed_in(one), "the desk that ended it knows at once"
            until(lambda: not phone.is_signed_in(two), "the other desk lets it go", SECONDS)
            assert "Your session has ended" in phone.get("/login").text
            assert (supabase.auth_sessions(ana), supabase.auth_sessions(rita)) == (0, 1)
            assert colleague.is_signed_in()
            assert signed_in(phone, "ana").is_signed_in(), "and may come back"


@pytest.mark.usefixtures("ana")
class TestTheEndOfASession:
    @pytest.mark.parametrize(
        "change",
        [
            "opened_at = now() - interval '30 days'",
            "used_at = now() - interval '7 days'",
            "closed_at = now(), sealed = '-'",
        ],
    )
    def test_too_old_idle_or_closed_leads_to_the_sign_in_and_back(
        self, browser: Browser, supabase: Supabase, change: str
    ) -> None:
        signed_in(browser, "ana")
        supabase.execute(
            f"update public.desk_sessions set {change} where cookie_hash = %s", cookie_hash(browser.cookie)
        )
        answer = browser.get("/approvals?tab=waiting")
        assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=%2Fapprovals")
        assert "Your session has ended" in browser.get(answer.headers["location"]).text
        assert browser.get("/_stcore/host-config").status_code == 401
        answer = browser.sign_in("ana@desk.example", PASSWORD, wanted="/approvals")
        assert answer.headers["location"] == "/approvals"
        assert browser.is_signed_in()

    def test_revoked_at_auth_it_ends_when_its_tokens_do(self, browser: Browser, supabase: Supabase) -> None:
        mia = supabase.person("mia")
        signed_in(browser, "mia")
        supabase.let_tokens_end_soon(browser)
        with supabase.database.connect("supabase_auth_admin") as auth:
            auth.execute("delete from auth.sessions where user_id = %s", [mia])
        assert not browser.is_signed_in()
        kept = supabase.rows("select closed_at, sealed from public.desk_sessions where user_id = %s", mia)
        assert [(closed is not None, sealed) for closed, sealed in kept] == [(True, "-")]

    def test_whom_an_admin_switches_off_is_out_and_reads_why(
        self, browser: Browser, supabase: Supabase
    ) -> None:
        supabase.person("ada", "admin")
        noor = supabase.person("noor")
        ada = supabase.gateway.client()
        ada.auth.sign_in_with_password({"email": "ada@desk.example", "password": PASSWORD})
        signed_in(browser, "noor")
        ada.rpc("change_person", {"user_id": noor, "active": False}).execute()
        assert not browser.is_signed_in()
        assert "the account was switched off" in browser.get("/login").text
        answer = browser.sign_in("noor@desk.example", PASSWORD)
        assert answer.status_code == 403
        assert "This account is switched off" in answer.text
        assert not browser.is_signed_in()
        assert supabase.auth_sessions(noor) == 1, "the refused sign-in left nothing behind"
        ada.rpc("change_person", {"user_id": noor, "active": True}).execute()
        assert not browser.is_signed_in(), "what was ended stays so"
        assert signed_in(browser, "noor").is_signed_in()


@pytest.mark.usefixtures("ana")
class TestForeignPages:
    def test_they_sign_nobody_in_or_out(
        self, browser: Browser, desks: tuple[RunningDesk, RunningDesk], supabase: Supabase
    ) -> None:
        credentials = {"email": "ana@desk.example", "password": PASSWORD, "next": "/"}
        with one_more(desks[0]) as attacker:
            stolen = attacker.form_token("/login")
            for token, origin in [
                (browser.form_token("/login"), None),
                (browser.form_token("/login"), "null"),
                (browser.form_token("/login"), "https://evil.example"),
                (browser.form_token("/login"), f"{browser.desk.url}.evil.example"),
                (browser.form_token("/login"), desks[1].url),
                (stolen, "own"),
                ("", "own"),
            ]:
                fields = credentials | {"form_token": token}
                assert browser.post("/login", fields, origin).status_code == 403, (token, origin)
            assert not browser.is_signed_in()
            signed_in(browser, "ana")
            for token, origin in [
                (browser.form_token("/logout"), "https://evil.example"),
                (browser.form_token("/login"), "own"),
                (stolen, "own"),
                ("", "own"),
            ]:
                fields = {"form_token": token, "everywhere": "yes"}
                assert browser.post("/logout", fields, origin).status_code == 403, (token, origin)
            browser.get("/logout")
        assert browser.is_signed_in()
        assert supabase.rows("select 1 from public.desk_sessions where closed_at is null")

    @pytest.mark.parametrize("wanted", ["https://evil.example/", "//evil.example", "/\\evil.example"])
    def test_next_cannot_leave_the_desk(self, browser: Browser, wanted: str) -> None:
        assert "evil" not in browser.http.get(f"{browser.desk.url}/login", params={"next": wanted}).text
        assert browser.sign_in("ana@desk.example", PASSWORD, wanted).headers["location"] == "/"
        assert browser.sign_out(wanted=wanted).headers["location"] == "/login?next=%2F"


def test_guessing_is_stopped_at_auth_and_said_in_words(postgres: RunningPostgres, tmp_path: Path) -> None:
    with new_project(postgres) as project:
        project.person("ana")
        settings = WebSettings.load(
            supabase_url=project.gateway.url,
            supabase_anon_key=project.gateway.anon_key,
            kestra_password="unused",
            sandbox_file=tmp_path / "none.json",
        )
        sessions = DeskSessions(settings)
        app = Starlette(
            routes=desk_routes(settings, sessions), middleware=desk_middleware(settings, sessions)
        )
        origin = "http://127.0.0.1"
        client = TestClient(app, base_url=origin, follow_redirects=False)

        def attempt(password: str) -> Any:
            token = client.get("/login").text.split('name="form_token" value="')[1][:64]
            fields = {"form_token": token, "email": "ana@desk.example", "password": password}
            return client.post("/login", data=fields, headers={"Origin": origin})

        # More than thirty only as fast as Auth forgives: one in ten seconds.
        allowed = next(n for n in range(60) if attempt(f"guess {n}").status_code != 401)
        assert 30 <= allowed < 40
        late = attempt(PASSWORD)
        assert late.status_code == 503
        assert "Too many sign-ins in a short time. Wait a minute." in late.text
