"""The desk's HTTP: guards, headers, sign-in and sign-out, over a fake Supabase."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from dashboard.errors import Inactive, UpstreamUnreachable
from dashboard.routes import ROUTES, safe_next
from dashboard.settings import WebSettings
from dashboard.web.asgi import desk_middleware, desk_routes
from dashboard.web.guard import Door, door, is_allowed_host
from dashboard.web.sessions import DeskSessions
from tests.support.auth_fake import PASSWORD, FakeAuth, MovableClock
from tests.support.web_client import TestClient

ORIGIN = "http://127.0.0.1"
ID = "0f8fad5b-d9cb-469f-a165-70867728950e"


@pytest.fixture
def auth(monkeypatch: pytest.MonkeyPatch) -> FakeAuth:
    fake = FakeAuth(MovableClock(datetime(2026, 11, 24, 6, 0, tzinfo=UTC)))
    fake.install(monkeypatch)
    return fake


@pytest.fixture
def settings(tmp_path: Path) -> WebSettings:
    return WebSettings.load(
        supabase_url="http://127.0.0.1:29599",
        supabase_anon_key="anon",
        kestra_password="unused",
        sandbox_file=tmp_path / "endpoints.json",
    )


@pytest.fixture
def client(settings: WebSettings, auth: FakeAuth) -> TestClient:
    """The desk's middleware and routes around a stand-in for Streamlit that answers everything."""

    async def streamlit(request: Request) -> PlainTextResponse:
        return PlainTextResponse("a page")

    async def stream(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text("live")
        await socket.close()

    sessions = DeskSessions(settings, auth.clock)
    app = Starlette(
        routes=[
            *desk_routes(settings, sessions),
            WebSocketRoute("/_stcore/stream", stream),
            Route("/{path:path}", streamlit, methods=["GET", "POST", "PUT"]),
        ],
        middleware=desk_middleware(settings, sessions),
    )
    return TestClient(app, base_url=ORIGIN, follow_redirects=False)


def form_token(page: httpx.Response) -> str:
    return re.findall(r'name="form_token" value="([0-9a-f]{64})"', page.text)[-1]


def logout_token(client: TestClient) -> str:
    form = r'action="/logout">\s*<input type="hidden" name="form_token" value="(\w+)"'
    return str(re.findall(form, client.get("/login").text)[0])


def sign_in(client: TestClient, wanted: str = "/", password: str = PASSWORD) -> httpx.Response:
    page = client.get("/login", params={"next": wanted})
    fields = {
        "form_token": form_token(page),
        "next": wanted,
        "email": "ana@demo.example",
        "password": password,
    }
    return client.post("/login", data=fields, headers={"Origin": ORIGIN})


class TestGuard:
    @pytest.mark.parametrize("path", [*(route.path for route in ROUTES), "/whatever"])
    def test_without_a_session_every_page_leads_to_the_sign_in(self, client: TestClient, path: str) -> None:
        answer = client.get(path)
        assert answer.status_code == 303
        assert urlsplit(answer.headers["location"]).path == "/login"

    def test_the_way_back_is_kept(self, client: TestClient) -> None:
        answer = client.get(f"/incident?id={ID}")
        wanted = parse_qs(urlsplit(answer.headers["location"]).query)["next"]
        assert wanted == [f"/incident?id={ID}"]
        assert sign_in(client, wanted[0]).headers["location"] == f"/incident?id={ID}"

    @pytest.mark.parametrize(
        "path", ["/_stcore/host-config", "/media/x.md", "/component/x", "/_stcore/stream"]
    )
    def test_without_a_session_no_part_of_a_page_is_served(self, client: TestClient, path: str) -> None:
        assert client.get(path).status_code == 401

    def test_a_page_that_cannot_be_shown_asks_again_by_itself(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def away(*_: object) -> None:
            raise UpstreamUnreachable("Supabase", "Supabase <b>cannot</b> be reached.")

        monkeypatch.setattr(DeskSessions, "find", away)
        answer = client.get(f"/approval?id={ID}")
        assert (answer.status_code, answer.headers["refresh"], answer.headers["retry-after"]) == (
            503,
            "10",
            "10",
        )
        assert answer.headers["content-type"].startswith("text/html")
        assert "Supabase &lt;b&gt;cannot&lt;/b&gt; be reached." in answer.text
        part = client.get("/_stcore/host-config")
        assert part.status_code == 503
        assert "refresh" not in part.headers

    @pytest.mark.parametrize("path", ["/_stcore/metrics", "/_stcore/agent/interact", "/auth/login"])
    def test_some_paths_are_shut_even_with_a_session(self, client: TestClient, path: str) -> None:
        sign_in(client)
        assert client.get(path).status_code == 404

    def test_the_websocket_needs_a_session_and_the_own_origin(self, client: TestClient) -> None:
        with (
            pytest.raises(WebSocketDisconnect),
            client.websocket_connect("ws://127.0.0.1/_stcore/stream", headers={"Origin": ORIGIN}),
        ):
            pass
        sign_in(client)
        for headers in ({}, {"Origin": "https://evil.example"}, {"Origin": "null"}):
            with (
                pytest.raises(WebSocketDisconnect),
                client.websocket_connect("ws://127.0.0.1/_stcore/stream", headers=headers),
            ):
                pass
        with client.websocket_connect("ws://127.0.0.1/_stcore/stream", headers={"Origin": ORIGIN}) as socket:
            assert socket.receive_text() == "live"

    @pytest.mark.parametrize("method", ["POST", "PUT"])
    def test_changes_need_the_own_origin(self, client: TestClient, method: str) -> None:
        sign_in(client)
        assert client.request(method, "/_stcore/upload_file/a/b").status_code == 403
        assert (
            client.request(method, "/x", headers={"Origin": "http://127.0.0.1.evil.example"}).status_code
            == 403
        )
        assert client.request(method, "/x", headers={"Origin": ORIGIN}).status_code == 200

    def test_another_name_is_not_answered(self, client: TestClient) -> None:
        assert client.get("/login", headers={"Host": "evil.example"}).status_code == 400
        assert client.get("/healthz", headers={"Host": "10.0.0.7"}).text == "ok\n"
        assert client.get("/readyz", headers={"Host": "10.0.0.7"}).text == "ready\n"
        assert client.get("/metrics", headers={"Host": "10.0.0.7"}).status_code == 403

    def test_hosts_are_compared_without_port_and_case(self) -> None:
        allowed = ("desk.example", "127.0.0.1", "::1")
        assert all(
            is_allowed_host(h, allowed)
            for h in ("DESK.example:8501", "127.0.0.1", "[::1]:8501", "desk.example.")
        )
        assert not any(
            is_allowed_host(h, allowed) for h in (None, "", "evil.example", "desk.example.evil", "[::1")
        )

    @pytest.mark.parametrize(
        ("path", "kind"),
        [
            ("/static/js/a.js", Door.OPEN),
            ("/staticx", Door.PAGE),
            ("/_stcore/metrics/", Door.SHUT),
            ("/login/", Door.OPEN),
        ],
    )
    def test_kinds_of_paths(self, path: str, kind: Door) -> None:
        assert door(path) is kind

    def test_when_supabase_is_away_strangers_see_a_sentence_and_nothing_else(
        self, client: TestClient, auth: FakeAuth
    ) -> None:
        sign_in(client)
        auth.down = True
        client.cookies.set("incidentscribe_session", "unknown")
        answer = client.get("/")
        assert answer.status_code == 503
        assert "Supabase cannot be reached" in answer.text


def test_every_answer_carries_the_security_headers(client: TestClient) -> None:
    sign_in(client)
    for path in ("/", "/login", "/healthz", "/_stcore/metrics"):
        headers = client.get(path).headers
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
    assert "'unsafe-inline'" not in client.get("/login").headers["content-security-policy"]


class TestSignIn:
    def test_the_cookie_is_out_of_reach_of_scripts(self, client: TestClient) -> None:
        answer = sign_in(client)
        assert answer.status_code == 303
        cookie = next(
            c for c in answer.headers.get_list("set-cookie") if c.startswith("incidentscribe_session=")
        )
        assert {"HttpOnly", "SameSite=lax", "Path=/", "Max-Age=2592000"} <= set(cookie.split("; "))
        assert client.get("/").text == "a page"

    def test_on_https_the_cookie_is_bound_to_the_host(self, client: TestClient) -> None:
        client.base_url = httpx.URL("https://127.0.0.1")
        page = client.get("/login")
        fields = {"form_token": form_token(page), "email": "a@b.example", "password": PASSWORD}
        answer = client.post("/login", data=fields, headers={"Origin": "https://127.0.0.1"})
        assert any(
            c.startswith("__Host-incidentscribe_session=") and "Secure" in c
            for c in answer.headers.get_list("set-cookie")
        )

    def test_a_wrong_password_is_said_in_words(self, client: TestClient) -> None:
        answer = sign_in(client, password="wrong")
        assert answer.status_code == 401
        assert "E-mail or password is wrong" in answer.text
        assert "wrong&#34;" not in answer.text
        assert client.get("/").status_code == 303

    def test_somebody_switched_off_reads_why(self, client: TestClient, auth: FakeAuth) -> None:
        auth.open_refusal = Inactive(
            "Supabase", "This account is switched off or belongs to no organization."
        )
        answer = sign_in(client)
        assert answer.status_code == 403
        assert "switched off" in answer.text

    def test_too_many_attempts_are_said_in_words(
        self, client: TestClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object) -> None:
            raise UpstreamUnreachable(
                "Supabase", "Too many sign-ins in a short time.", to_do="Wait a minute."
            )

        monkeypatch.setattr("dashboard.store.tokens.sign_in", refuse)
        assert "Too many sign-ins in a short time. Wait a minute." in sign_in(client).text

    def test_without_the_hidden_value_nothing_is_tried(self, client: TestClient, auth: FakeAuth) -> None:
        fields = {"form_token": "0" * 64, "email": "ana@demo.example", "password": PASSWORD}
        answer = client.post("/login", data=fields, headers={"Origin": ORIGIN})
        assert answer.status_code == 403
        assert "sign_in" not in auth.calls

    def test_a_foreign_page_cannot_sign_anybody_in(self, client: TestClient) -> None:
        page = client.get("/login")
        fields = {"form_token": form_token(page), "email": "ana@demo.example", "password": PASSWORD}
        assert (
            client.post("/login", data=fields, headers={"Origin": "https://evil.example"}).status_code == 403
        )

    def test_what_was_typed_comes_back_as_text(self, client: TestClient) -> None:
        page = client.get("/login", params={"next": '/"><script>'})
        fields = {"form_token": form_token(page), "email": '"><script>alert(1)</script>', "password": "x"}
        answer = client.post("/login", data=fields, headers={"Origin": ORIGIN})
        assert "<script" not in answer.text

    def test_a_huge_form_is_refused(self, client: TestClient) -> None:
        answer = client.post("/login", data={"email": "a" * 20_000}, headers={"Origin": ORIGIN})
        assert answer.status_code == 413

    def test_switching_the_account_ends_the_old_session(self, client: TestClient, auth: FakeAuth) -> None:
        sign_in(client)
        assert "You are signed in as <strong>Ana &lt;Approver&gt;</strong>" in client.get("/login").text
        sign_in(client)
        assert len(auth.rows) == 1
        assert len(auth.signed_out) == 1

    def test_signing_out_needs_the_own_form(self, client: TestClient, auth: FakeAuth) -> None:
        sign_in(client)
        assert client.post("/logout", data={}, headers={"Origin": ORIGIN}).status_code == 403
        assert client.get("/logout").headers["location"] == "/login"
        assert auth.rows
        token = logout_token(client)
        answer = client.post(
            "/logout", data={"form_token": token, "next": "/incidents"}, headers={"Origin": ORIGIN}
        )
        assert answer.headers["location"] == "/login?next=%2Fincidents"
        assert not auth.rows
        assert client.get("/").status_code == 303

    def test_a_sign_out_that_did_not_work_is_not_shown_as_one(
        self, client: TestClient, auth: FakeAuth
    ) -> None:
        sign_in(client)
        token = logout_token(client)
        auth.down = True
        for everywhere in ({}, {"everywhere": "yes"}):
            fields = {"form_token": token, **everywhere}
            answer = client.post("/logout", data=fields, headers={"Origin": ORIGIN})
            assert answer.status_code == 503
            assert "<strong>Still signed in.</strong>" in answer.text
        auth.down = False
        assert client.get("/").text == "a page"

    def test_a_session_that_is_over_is_explained(self, client: TestClient, auth: FakeAuth) -> None:
        assert "Your session has ended" not in client.get("/login").text
        sign_in(client)
        auth.rows.clear()
        assert "Your session has ended" in client.get("/login").text

    def test_signing_out_of_nothing_leads_to_the_form(self, client: TestClient) -> None:
        assert client.post("/logout", headers={"Origin": ORIGIN}).status_code == 303


ACCOUNT = {"email": "ana@demo.example", "password": PASSWORD, "name": "Ana <b>", "role": "approver"}


class TestDemoAccounts:
    def sandbox(self, settings: WebSettings, supabase: str) -> None:
        settings.sandbox_file.write_text(json.dumps({"supabase": {"url": supabase}, "accounts": [ACCOUNT]}))

    def test_one_press_signs_in_and_the_password_is_not_in_the_page(
        self, client: TestClient, settings: WebSettings
    ) -> None:
        self.sandbox(settings, "http://127.0.0.1:29599/")
        page = client.get("/login")
        assert "Ana &lt;b&gt;" in page.text
        assert PASSWORD not in page.text
        fields = {"form_token": form_token(page), "account": "ana@demo.example", "next": "/approvals"}
        answer = client.post("/login", data=fields, headers={"Origin": ORIGIN})
        assert answer.headers["location"] == "/approvals"
        assert client.get("/").text == "a page"

    @pytest.mark.parametrize(
        "content", ["", "[]", "{}", '{"supabase": {"url": "https://real.example"}, "accounts": []}']
    )
    def test_without_the_own_sandbox_there_are_none(
        self, client: TestClient, settings: WebSettings, content: str
    ) -> None:
        settings.sandbox_file.write_text(content)
        page = client.get("/login")
        assert "Demo accounts" not in page.text
        fields = {"form_token": form_token(page), "account": "ana@demo.example"}
        assert client.post("/login", data=fields, headers={"Origin": ORIGIN}).status_code == 422

    def test_another_supabase_means_no_buttons(self, client: TestClient, settings: WebSettings) -> None:
        self.sandbox(settings, "http://127.0.0.1:54321")
        assert "Demo accounts" not in client.get("/login").text

    @pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.7", "::", ""])
    def test_a_desk_that_others_can_reach_has_no_buttons_and_takes_none(
        self, settings: WebSettings, auth: FakeAuth, host: str
    ) -> None:
        open_to_others = settings.model_copy(update={"host": host})
        self.sandbox(open_to_others, "http://127.0.0.1:29599")
        sessions = DeskSessions(open_to_others, auth.clock)
        app = Starlette(
            routes=desk_routes(open_to_others, sessions), middleware=desk_middleware(open_to_others, sessions)
        )
        client = TestClient(app, base_url=ORIGIN, follow_redirects=False)
        page = client.get("/login")
        assert '<button type="submit" name="account"' not in page.text
        assert "ana@demo.example" in page.text, "the addresses are no secret"
        assert PASSWORD not in page.text
        fields = {"form_token": form_token(page), "account": "ana@demo.example"}
        assert client.post("/login", data=fields, headers={"Origin": ORIGIN}).status_code == 422


class TestNext:
    @pytest.mark.parametrize(
        "wanted",
        [
            None,
            "",
            "//evil.example",
            "https://evil.example/incidents",
            "/\\evil.example",
            "/incidents/../login",
            "/login",
            "/logout",
            "javascript:alert(1)",
            "/_stcore/stream",
            "/nowhere",
            "/%2f%2fevil.example",
            "/" + "a" * 700,
            "http://[",
        ],
    )
    def test_only_pages_of_the_table_are_led_to(self, wanted: str | None) -> None:
        assert safe_next(wanted) == "/"

    def test_parameters_a_page_knows_are_kept_and_written_anew(self) -> None:
        assert safe_next(f"/incident?id={ID}&evil=1#x") == f"/incident?id={ID}"
        assert safe_next("/incidents?q=a%0d%0ab%22") == "/incidents?q=a%0D%0Ab%22"
