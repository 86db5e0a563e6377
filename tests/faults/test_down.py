"""A decision is owed and something is away: what happens then, with the real outbox and worker.

Kestra is played; what the engine itself does is asked in `test_killed` and `test_network`.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from dashboard.errors import UpstreamUnreachable
from dashboard.settings import WorkerSettings
from dashboard.worker.loop import Worker
from tests.sql.desk import Desk, Refused
from tests.support.gateway import RunningGateway, start_gateway
from tests.support.postgres import Database, RunningPostgres, migrated_template, scratch_database
from tests.unit.test_worker import FakeKestra, execution

_RUN = ("CREATED", "RUNNING")
RUNNING = execution(*_RUN)
PAUSED = execution(*_RUN, "PAUSED", pause=(*_RUN, "PAUSED"))
WENT_ON = execution(*_RUN, "PAUSED", "RUNNING", pause=(*_RUN, "PAUSED", "SUCCESS"))


class Kestra(FakeKestra):
    """Waits for a decision and goes on once resumed; can be away."""

    def __init__(self) -> None:
        super().__init__()
        self.execution = PAUSED
        self.away = False
        self.resumed = 0
        self.resume = self.go_on

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.away:
            raise httpx.ConnectError("refused", request=request)
        return super().__call__(request)

    def go_on(self) -> httpx.Response:
        """As Kestra does: what waits goes on, anything else is a 409."""
        if self.execution != PAUSED:
            return httpx.Response(409, json={"message": "it does not wait"})
        self.resumed += 1
        self.execution = WENT_ON
        return httpx.Response(200, json={})


class Line(httpx.HTTPTransport):
    """The way to Supabase, which can be cut."""

    def __init__(self) -> None:
        super().__init__()
        self.cut = False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if self.cut:
            raise httpx.ConnectError("refused", request=request)
        return super().handle_request(request)


class Scene:
    """One approval, a worker, and time that passes when told so."""

    def __init__(self, desk: Desk, gateway: RunningGateway) -> None:
        self.desk = desk
        self.kestra, self.line = Kestra(), Line()
        self._settings = WorkerSettings(
            kestra_url="http://kestra.test",
            kestra_password=SecretStr("Secret-0815"),
            supabase_url=gateway.url,
            supabase_service_role_key=SecretStr(gateway.service_role_key),
        )
        self.worker = self.new_worker()
        _, self._approval = desk.waiting()

    def new_worker(self) -> Worker:
        return Worker(
            self._settings,
            kestra_transport=httpx.MockTransport(self.kestra),
            supabase_transport=self.line,
        )

    @property
    def approval(self) -> dict[str, Any]:
        return self.desk.row("select * from approvals where id = %s", self._approval["id"])

    @property
    def owed(self) -> dict[str, Any]:
        query = "select * from outbox where kind = 'deliver_decision' and payload ->> 'approval_id' = %s"
        return self.desk.row(query, str(self._approval["id"]))

    def decide(self) -> None:
        self.desk.decide(self.desk.ana, self._approval)

    def tick(self) -> None:
        """A round of the worker, which may meet that Supabase is away."""
        try:
            self.worker.tick()
        except UpstreamUnreachable:
            assert self.line.cut

    def passes(self, seconds: float) -> None:
        """So much time, for everything that is owed."""
        self.desk.rows(
            "update outbox o set created_at = created_at - t.passed, lease_until = lease_until - t.passed,"
            " next_attempt_at = next_attempt_at - t.passed"
            " from (select make_interval(secs => %s) as passed) t where status = 'owed' returning 1",
            seconds,
        )

    def deadline_passes(self) -> None:
        self.desk.rows(
            "update approvals set created_at = created_at - interval '2 hours',"
            " deadline_at = now() - interval '1 second' where id = %s returning 1",
            self._approval["id"],
        )

    def is_delivered_once(self) -> None:
        assert self.kestra.resumed == 1
        assert self.approval["delivered_at"] is not None
        assert self.owed["status"] == "done"
        # And nobody tries it again.
        asked = len(self.kestra.asked)
        self.tick()
        assert len(self.kestra.asked) == asked


@pytest.fixture(scope="module")
def home(postgres: RunningPostgres) -> Iterator[tuple[Database, RunningGateway]]:
    with scratch_database(postgres, migrated_template(postgres)) as database:
        gateway = start_gateway(database)
        yield database, gateway
        gateway.stop()


@pytest.fixture
def scene(home: tuple[Database, RunningGateway]) -> Iterator[Scene]:
    """In an organization of its own."""
    database, gateway = home
    scene = Scene(Desk(database.url(), name=f"o{uuid.uuid4().hex[:10]}"), gateway)
    yield scene
    scene.worker.stop()


def test_kestra_is_away_for_an_hour(scene: Scene) -> None:
    scene.decide()
    scene.kestra.away = True
    for _ in range(60):
        scene.tick()
        scene.passes(60)
    owed = scene.owed
    assert (owed["status"], owed["attempts"]) == ("owed", 60)
    assert owed["stuck_since"] is not None
    assert "Kestra" in owed["last_error"]
    assert (scene.approval["status"], scene.approval["delivered_at"]) == ("approved", None)
    scene.kestra.away = False
    scene.tick()
    scene.is_delivered_once()


def test_supabase_is_away_for_a_minute_just_when_the_flow_went_on(scene: Scene) -> None:
    scene.decide()
    go_on = scene.kestra.resume

    def and_the_line_is_cut() -> httpx.Response:
        scene.line.cut = True
        return go_on()

    scene.kestra.resume = and_the_line_is_cut
    scene.tick()
    assert (scene.kestra.resumed, scene.approval["delivered_at"]) == (1, None)
    for _ in range(6):
        scene.tick()
        scene.passes(11)
    scene.line.cut = False
    scene.tick()
    scene.is_delivered_once()


def test_the_pause_is_not_reached_yet(scene: Scene) -> None:
    """First the flow runs still; then it seems to wait, and a resume comes too early."""
    scene.decide()
    scene.kestra.execution = RUNNING
    scene.tick()
    scene.passes(2)
    scene.kestra.execution, go_on = PAUSED, scene.kestra.resume
    scene.kestra.resume = lambda: httpx.Response(409, json={"message": "not in state PAUSED"})
    scene.tick()
    assert (scene.owed["status"], scene.owed["attempts"]) == ("owed", 0)
    scene.passes(2)
    scene.kestra.resume = go_on
    scene.tick()
    scene.is_delivered_once()


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize("arrived", [False, True], ids=["not arrived", "arrived"])
def test_kestra_answers_5xx(scene: Scene, status: int, arrived: bool) -> None:
    scene.decide()
    go_on = scene.kestra.resume

    def stumble() -> httpx.Response:
        scene.kestra.resume = go_on
        if arrived:
            go_on()
        return httpx.Response(status, text="upstream error")

    scene.kestra.resume = stumble
    scene.tick()
    assert (scene.owed["status"], scene.approval["delivered_at"]) == ("owed", None)
    scene.passes(60)
    scene.tick()
    scene.is_delivered_once()


@pytest.mark.parametrize("error", [httpx.ReadTimeout, httpx.RemoteProtocolError, httpx.ReadError])
def test_the_request_arrived_and_its_answer_did_not(scene: Scene, error: type[httpx.TransportError]) -> None:
    scene.decide()
    go_on = scene.kestra.resume

    def fall_silent() -> httpx.Response:
        go_on()
        raise error("no answer")

    scene.kestra.resume = fall_silent
    scene.tick()
    assert (scene.owed["status"], scene.approval["delivered_at"]) == ("owed", None)
    scene.passes(60)
    scene.tick()
    scene.is_delivered_once()


def test_two_workers_share_one_delivery(scene: Scene) -> None:
    """The first is so slow that its lease runs out; the second delivers, and the first hears of it."""
    scene.decide()
    go_on = scene.kestra.resume
    with scene.new_worker() as second:

        def meanwhile() -> httpx.Response:
            scene.kestra.resume = go_on
            scene.passes(120)
            second.tick()
            return go_on()

        scene.kestra.resume = meanwhile
        scene.tick()
    scene.is_delivered_once()


@pytest.mark.parametrize("away", ["worker", "Kestra", "desk and Supabase"])
def test_a_deadline_that_passed_while_something_was_away_expires_and_never_approves(
    scene: Scene, away: str
) -> None:
    scene.kestra.away = away == "Kestra"
    scene.line.cut = away == "desk and Supabase"
    if away != "worker":
        scene.tick()
    scene.deadline_passes()
    # Whoever clicks before a worker has looked is late all the same.
    with pytest.raises(Refused) as refused:
        scene.decide()
    assert refused.value.code == "expired"
    scene.line.cut = False
    scene.worker.stop()
    scene.worker = scene.new_worker()
    scene.tick()
    assert (scene.approval["status"], scene.approval["decided_by"]) == ("expired", None)
    scene.kestra.away = False
    scene.passes(60)
    scene.tick()
    scene.is_delivered_once()
    assert scene.owed["payload"]["status"] == "expired"
