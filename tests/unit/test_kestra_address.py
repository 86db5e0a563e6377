"""Which address of Kestra is in force, and who follows it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from dashboard import doctor_kestra
from dashboard.domain.clock import utc_now
from dashboard.domain.finding import Health
from dashboard.domain.system import SystemReport
from dashboard.kestra_api.address import Address, AddressBook, refusal
from dashboard.kestra_api.client import KestraApi
from dashboard.live.following import DeskKestra
from dashboard.settings import AnonSettings, KestraSettings, WebSettings
from dashboard.store.connection import as_service, as_user
from dashboard.worker.loop import Worker
from dashboard.worker.whereabouts import Whereabouts
from tests.unit.test_worker import SETTINGS, FakeKestra, FakeSupabase

OWN = "http://kestra:8080"


@pytest.mark.parametrize(
    "url",
    [
        OWN,
        "https://your-tunnel.ngrok-free.app",
        "https://kestra.example:8443/behind/a/path",
        "http://127.0.0.1:9090",
        "http://localhost:9090",
        "http://[::1]:9090",
    ],
)
def test_https_loopback_and_the_environments_own_are_taken(url: str) -> None:
    assert refusal(url, OWN, ()) is None


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://kestra.example", "not https"),
        ("http://10.0.0.5:8080", "not https"),
        ("http://127.0.0.1.evil.example", "not https"),
        ("http://2130706433", "not https"),
        ("ftp://kestra.example", "not https"),
        ("https://me:secret@kestra.example", "user name or password"),
        ("https://me@kestra.example", "user name or password"),
        ("https://kestra.example?x=1", "more than a host"),
        ("https://kestra.example/#x", "more than a host"),
        ("https://", "no address"),
        ("kestra.example", "no address"),
        ("https://kestra.example:port", "no address"),
        ("https://kestra.example/\x1b[2J", "no address"),
        ("https://kestra .example", "no address"),
        ("https://evil.example\\@kestra.example", "no address"),
        ("", "no address"),
    ],
)
def test_others_are_refused(url: str, why: str) -> None:
    assert why in (refusal(url, OWN, ()) or "")


def test_an_allow_list_leaves_only_its_hosts_and_the_own() -> None:
    assert refusal("https://kestra.example", OWN, ["Kestra.example"]) is None
    assert refusal(OWN, OWN, ["kestra.example"]) is None
    for url in ("https://other.example", "http://127.0.0.1:1"):
        assert "INCIDENTSCRIBE_KESTRA_ALLOWED_HOSTS" in (refusal(url, OWN, ["kestra.example"]) or "")


def test_what_is_refused_leaves_the_former_and_what_is_gone_the_own() -> None:
    book = AddressBook(OWN)
    assert book.take("https://one.example/")
    assert book.current == Address("https://one.example", "https://one.example/")
    assert not book.take("http://two.example")
    assert (book.current.url, book.current.written) == ("https://one.example", "http://two.example")
    assert "not https" in (book.current.refused or "")
    assert book.take(None)
    assert book.current == Address(OWN)


class Hosts:
    """Kestras by host, behind one transport; `asked` are the hosts in order."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.fake = FakeKestra()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.host)
        return self.fake(request)


@pytest.fixture
def hosts() -> Hosts:
    return Hosts()


def test_a_client_moves_and_asks_the_new_one_for_its_version(hosts: Hosts) -> None:
    settings = KestraSettings(kestra_url="http://one.test", kestra_password=SecretStr("x"))
    with KestraApi(settings, httpx.MockTransport(hosts)) as api:
        api.kill("e")
        for host in ("two", "three", "four", "four"):
            api.move_to(f"http://{host}.test")
        api.kill("e")
        assert (api.url, hosts.asked) == ("http://four.test", ["one.test"] * 2 + ["four.test"] * 2)


class TestWorker:
    @pytest.fixture
    def supabase(self) -> FakeSupabase:
        return FakeSupabase()

    @pytest.fixture
    def worker(self, hosts: Hosts, supabase: FakeSupabase) -> Iterator[Worker]:
        transports = (httpx.MockTransport(hosts), httpx.MockTransport(supabase))
        with Worker(SETTINGS, kestra_transport=transports[0], supabase_transport=transports[1]) as worker:
            yield worker

    def look(self, supabase: FakeSupabase, hosts: Hosts) -> Whereabouts:
        self.http = httpx.Client(transport=httpx.MockTransport(supabase))
        self.api = KestraApi(SETTINGS, httpx.MockTransport(hosts))
        found = Whereabouts(self.api, SETTINGS)
        found.look(as_service(SETTINGS, self.http))
        return found

    def test_what_is_written_is_followed_and_refusals_are_told_once(
        self, supabase: FakeSupabase, hosts: Hosts, caplog: pytest.LogCaptureFixture
    ) -> None:
        whereabouts = self.look(supabase, hosts)
        client = as_service(SETTINGS, self.http)
        assert supabase.called("first_config") == [{"key": "KESTRA_URL", "value": "http://kestra.test"}]
        for value, url in (
            ("https://new.example", "https://new.example"),
            ("http://plain.example", "https://new.example"),
            ("http://plain.example", "https://new.example"),
        ):
            supabase.config = [{"value": value, "from_environment": False}]
            whereabouts.look(client)
            assert self.api.url == url
        assert "not https" in whereabouts.facts()["kestra_url_refused"]
        assert [record.levelname for record in caplog.records].count("WARNING") == 1
        supabase.config = [{"value": "https://ignored.example", "from_environment": True}]
        whereabouts.look(client)
        assert (self.api.url, whereabouts.facts()["kestra_url_refused"]) == ("http://kestra.test", None)
        assert len(supabase.called("first_config")) == 1

    def test_a_round_follows_and_the_beat_tells_where(
        self, worker: Worker, supabase: FakeSupabase, hosts: Hosts
    ) -> None:
        supabase.config = [{"value": "https://new.example", "from_environment": False}]
        worker.tick()
        [beat] = supabase.called("beat")
        assert beat["facts"]["kestra_url"] == "https://new.example"
        worker.tick_reconcile()
        assert set(hosts.asked) == {"new.example"}


def test_a_desk_follows_as_whoever_is_there_at_most_once_in_some_seconds() -> None:
    asked: list[Any] = []
    rows: list[Any] = [{"value": "https://new.example", "from_environment": False}]

    def supabase(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers["authorization"])
        return httpx.Response(200, json=rows)

    anon = AnonSettings(supabase_url="http://supabase.test", supabase_anon_key=SecretStr("anon"))
    web = WebSettings(kestra_url=OWN, kestra_password=SecretStr("x"), supabase_anon_key=SecretStr("anon"))
    desk = DeskKestra(web)
    before = desk.followers
    with httpx.Client(transport=httpx.MockTransport(supabase)) as http:
        user = as_user(anon, "token-of-ana", http)
        desk.look(user)
        desk.look(user)
    assert asked == ["Bearer token-of-ana"]
    assert (desk.api.url, desk.address.url) == ("https://new.example", "https://new.example")
    assert desk.followers is before
    desk.api.close()


class TestSaid:
    def report(self, **facts: Any) -> SystemReport:
        now = utc_now()
        beat = {"name": "w", "started_at": now, "beat_at": now, "facts": facts}
        row = {"key": "KESTRA_URL", "value": "http://plain.example", "updated_at": now}
        return SystemReport.model_validate({"now": now, "workers": [beat], "config": [row]})

    def test_system_says_which_is_in_force_and_which_was_refused(self) -> None:
        written = Address("https://new.example", "https://new.example")
        found = doctor_kestra.address_in_force(written, None)
        assert (found.health, found.found) == (Health.WELL, "https://new.example, as system_config says.")
        refused = Address(OWN, "http://plain.example", "is not https")
        found = doctor_kestra.address_in_force(refused, self.report(kestra_url=OWN))
        assert found.health is Health.ILL
        assert found.found == (
            "http://plain.example is refused: it is not https."
            " In force stays http://kestra:8080, from the environment."
        )

    def test_it_says_so_of_a_worker_too(self) -> None:
        seen = self.report(kestra_url="http://other:1", kestra_url_refused="is not https")
        found = doctor_kestra.address_in_force(Address(OWN), seen)
        assert found.health is Health.ILL
        assert "The worker w asks at http://other:1." in found.found
