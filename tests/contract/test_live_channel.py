"""The live socket with the real parts behind it: who gets in, what is said, and when it ends."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.websockets import WebSocketDisconnect

from dashboard.live.board import Board
from dashboard.live.feed import NewsFeed
from dashboard.live.topics import Kind, Topic
from dashboard.settings import WebSettings
from dashboard.web import cookies, live, sessions
from dashboard.web.asgi import desk_middleware
from dashboard.web.live import AGAIN_LATER, NOT_ALLOWED, SIGNED_OUT, TOO_MANY, UNKNOWN_TOPIC, LiveChannel
from dashboard.web.sessions import DeskSessions
from tests.support.postgres import RunningPostgres
from tests.support.project import PASSWORD, Supabase, new_project
from tests.support.until import until
from tests.support.web_client import TestClient, WebSocketTestSession

ORIGIN = "http://127.0.0.1"


@pytest.fixture(scope="module")
def supabase(postgres: RunningPostgres) -> Iterator[Supabase]:
    with new_project(postgres) as project:
        project.execute("insert into public.organizations (name, slug) values ('Other', 'other')")
        project.person("ana")
        project.person("olga", organization="other")
        for slug in ("acme", "other"):
            project.execute(
                "with incident as (insert into public.incidents"
                " (organization_id, external_id, source, service, severity, severity_text,"
                " title, fingerprint)"
                " select id, 'X-1', 'webhook', 'api', 'HIGH', 'HIGH', 'It fails', repeat('0', 64)"
                " from public.organizations where slug = %s returning id, organization_id)"
                " insert into public.executions"
                " (organization_id, incident_id, kestra_execution_id, owns, state)"
                " select organization_id, id, %s, true, 'RUNNING' from incident",
                slug,
                f"run-of-{slug}",
            )
        yield project


class Watched:
    """In place of the followers: whom they were asked to follow."""

    def __init__(self) -> None:
        self.ids: list[str] = []

    def watch(self, kestra_execution_id: str) -> None:
        self.ids.append(kestra_execution_id)

    def logs(self, kestra_execution_id: str) -> None:
        self.ids.append(f"log of {kestra_execution_id}")


class Desk:
    """The channel behind the guard, in this process, and a cookie per person."""

    def __init__(self, supabase: Supabase) -> None:
        settings = WebSettings.load(
            supabase_url=supabase.gateway.url,
            supabase_anon_key=supabase.gateway.anon_key,
            kestra_password="unused",
        )
        self.supabase = supabase
        self.sessions = DeskSessions(settings)
        self.board = Board()
        self.followers = Watched()
        channel = LiveChannel(
            settings,
            self.sessions,
            board=self.board,
            feed=NewsFeed(self.board, pause_seconds=0.05),
            followers=lambda: self.followers,  # type: ignore[arg-type,return-value]
            look=lambda user: None,
        )
        app = Starlette(routes=[channel.route()], middleware=desk_middleware(settings, self.sessions))
        self.client = TestClient(app, base_url=ORIGIN)

    def sign_in(self, name: str) -> str:
        return self.sessions.open(f"{name}@desk.example", PASSWORD)

    def organization(self, slug: str) -> str:
        found = self.supabase.rows("select id from public.organizations where slug = %s", slug)
        return f"organization:{found[0][0]}"

    def connect(
        self, topic: str, cookie: str | None = None, origin: str | None = ORIGIN
    ) -> WebSocketTestSession:
        headers = {"Origin": origin} if origin else {}
        if cookie:
            headers["Cookie"] = f"{cookies.SESSION}={cookie}"
        return self.client.websocket_connect(f"ws://127.0.0.1/live?topic={topic}", headers=headers)

    def refusal(self, topic: str, cookie: str | None = None) -> int:
        """The code with which a socket is closed before anything was said on it."""
        with self.connect(topic, cookie) as socket:
            return end_of(socket)


def end_of(socket: WebSocketTestSession) -> int:
    with pytest.raises(WebSocketDisconnect) as closed:
        socket.receive_json()
    return closed.value.code


@pytest.fixture
def desk(supabase: Supabase, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr(live, "CHECK_SECONDS", 0.05)
    monkeypatch.setattr(sessions, "RECHECK_SECONDS", 0.0)
    return Desk(supabase)


class TestWhoGetsIn:
    @pytest.mark.parametrize("cookie", [None, "made-up"])
    def test_without_a_session_it_is_said_so_and_closed(self, desk: Desk, cookie: str | None) -> None:
        assert desk.refusal("execution:run-of-acme", cookie) == SIGNED_OUT

    @pytest.mark.parametrize("origin", [None, "https://evil.example", "null"])
    def test_another_page_is_refused_before_anything_is_accepted(
        self, desk: Desk, origin: str | None
    ) -> None:
        with (
            pytest.raises(WebSocketDisconnect),
            desk.connect("execution:run-of-acme", desk.sign_in("ana"), origin),
        ):
            raise AssertionError("accepted")

    def test_only_the_own_organization_and_what_its_people_may_read(self, desk: Desk) -> None:
        ana = desk.sign_in("ana")
        for topic in (desk.organization("acme"), "execution:run-of-acme", "log:run-of-acme"):
            with desk.connect(topic, ana) as socket:
                assert socket.receive_json() == {
                    "version": f"{desk.board.epoch}.0",
                    "headline": "",
                    "after": 0,
                    "rest": 25,
                }
        others = ("execution:run-of-other", "log:run-of-other", "execution:not-there")
        for topic in (desk.organization("other"), *others):
            assert desk.refusal(topic, ana) == NOT_ALLOWED
        followed = set(desk.followers.ids)
        assert followed == {"run-of-acme", "log of run-of-acme"}, "followed for somebody who may not see it"

    @pytest.mark.parametrize("topic", ["", "execution:", "system:all", "execution:a%0ab"])
    def test_what_is_no_topic_is_closed(self, desk: Desk, topic: str) -> None:
        assert desk.refusal(topic, desk.sign_in("ana")) == UNKNOWN_TOPIC

    def test_a_session_may_hold_so_many_sockets_and_another_is_not_hindered(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(live, "_MOST_PER_SESSION", 2)
        ana, topic = desk.sign_in("ana"), "execution:run-of-acme"
        with desk.connect(topic, ana) as one, desk.connect(topic, ana) as two:
            assert one.receive_json()
            assert two.receive_json()
            assert desk.refusal(topic, ana) == TOO_MANY
            with desk.connect("execution:run-of-other", desk.sign_in("olga")) as other:
                assert other.receive_json()
        until(lambda: desk.refusal("x", ana) == UNKNOWN_TOPIC, "the places are free again")
        with desk.connect(topic, ana) as again:
            assert again.receive_json()


class TestWhatIsSaid:
    def test_news_comes_as_a_version_and_a_headline_and_nothing_else(self, desk: Desk) -> None:
        topic = Topic(Kind.EXECUTION, "run-of-acme")
        with (
            desk.connect(str(topic), desk.sign_in("ana")) as one,
            desk.connect(str(topic), desk.sign_in("ana")) as two,
        ):
            one.receive_json(), two.receive_json()
            desk.board.publish(topic, "Running: Gather evidence")
            first, second = one.receive_json(), two.receive_json()
        assert set(first) == {"version", "headline", "after", "rest"}
        assert first["headline"] == second["headline"] == "Running: Gather evidence"
        assert first["version"] == second["version"] == desk.board.read(topic).version
        assert first["after"] < second["after"], "all would run at once"
        assert second["after"] < first["rest"] == second["rest"], "what is less urgent waits for all"

    def test_a_change_in_the_database_is_told_to_the_organization_it_is_in(self, desk: Desk) -> None:
        with desk.connect(desk.organization("acme"), desk.sign_in("ana")) as socket:
            before = socket.receive_json()["version"]
            first = socket.receive_json()["version"]  # the feed's first number
            desk.supabase.execute("update public.incidents set title = title || '!'")
            assert len({before, first, socket.receive_json()["version"]}) == 3

    def test_a_log_that_grows_fast_is_told_at_a_bearable_pace_and_its_end_is(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(live, "_LOG_SECONDS", 0.1)
        topic = Topic(Kind.LOG, "run-of-acme")
        with desk.connect(str(topic), desk.sign_in("ana")) as socket:
            socket.receive_json()
            for _ in range(500):
                desk.board.publish(topic)
            versions = [socket.receive_json()["version"]]
            while versions[-1] != desk.board.read(topic).version:
                versions.append(socket.receive_json()["version"])
        assert len(versions) < 10

    def test_the_browser_has_nothing_to_say(self, desk: Desk) -> None:
        for word in ("{}", "x" * 1_000_000):
            with desk.connect("execution:run-of-acme", desk.sign_in("ana")) as socket:
                socket.receive_json()
                socket.send_text(word)
                assert end_of(socket) == UNKNOWN_TOPIC
        with desk.connect("execution:run-of-acme", desk.sign_in("ana")) as socket:
            socket.receive_json()
            socket.send_bytes(b"\xff\xfe\x00")
            assert end_of(socket) == UNKNOWN_TOPIC


class TestTheEnd:
    def test_a_session_ended_elsewhere_closes_the_socket_without_news(self, desk: Desk) -> None:
        ana = desk.sign_in("ana")
        with desk.connect("execution:run-of-acme", ana) as socket:
            socket.receive_json()
            desk.supabase.execute("update public.desk_sessions set closed_at = now() where closed_at is null")
            assert end_of(socket) == SIGNED_OUT

    def test_a_person_switched_off_hears_nothing_more(self, desk: Desk) -> None:
        ana = desk.sign_in("ana")
        switch = "update public.profiles set active = %s where display_name = 'ana'"
        with desk.connect("execution:run-of-acme", ana) as socket:
            socket.receive_json()
            desk.supabase.execute(switch, False)
            try:
                assert end_of(socket) == SIGNED_OUT
            finally:
                desk.supabase.execute(switch, True)

    def test_an_execution_that_is_no_longer_theirs_is_closed(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(live, "_RIGHT_SECONDS", 0.0)
        with desk.connect("execution:run-of-acme", desk.sign_in("ana")) as socket:
            socket.receive_json()
            rename = "update public.executions set kestra_execution_id = %s where kestra_execution_id = %s"
            desk.supabase.execute(rename, "renamed", "run-of-acme")
            try:
                assert end_of(socket) == NOT_ALLOWED
            finally:
                desk.supabase.execute(rename, "run-of-acme", "renamed")

    def test_nobody_is_let_in_while_supabase_is_away_and_who_is_in_stays(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ana, topic = desk.sign_in("ana"), Topic(Kind.EXECUTION, "run-of-acme")
        monkeypatch.setattr(live, "_RIGHT_SECONDS", 0.0)
        with desk.connect(str(topic), ana) as socket:
            socket.receive_json()
            desk.supabase.gateway.process.send_signal(19)  # SIGSTOP: it neither answers nor refuses
            try:
                monkeypatch.setattr(live.screen_http_client(), "timeout", 0.2)
                desk.board.publish(topic, "Paused")
                assert socket.receive_json()["headline"] == "Paused"
                assert desk.refusal(str(topic), "another-cookie") == AGAIN_LATER
            finally:
                desk.supabase.gateway.process.send_signal(18)
