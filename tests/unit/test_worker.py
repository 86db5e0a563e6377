"""The worker's rules, with an outbox and a Kestra that are told what to answer over HTTP."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from dashboard.domain.clock import to_iso
from dashboard.domain.steps import PAUSE_TASK
from dashboard.errors import IncidentScribeError, UpstreamProtocolError
from dashboard.kestra_api.client import KestraApi
from dashboard.settings import WorkerSettings
from dashboard.store.connection import as_service
from dashboard.worker import look_back, reconcile
from dashboard.worker.loop import Worker
from dashboard.worker.purge import BATCH, Purger
from dashboard.worker.strays import Strays
from tests.support.until import until

NOW = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
INCIDENT_ID = "6a0c7b7e-0000-4000-8000-000000000001"
ROW_ID = "6a0c7b7e-0000-4000-8000-0000000000aa"
Json = dict[str, Any]

SETTINGS = WorkerSettings(
    kestra_url="http://kestra.test",
    kestra_password=SecretStr("Secret-0815"),
    supabase_url="http://supabase.test",
    supabase_service_role_key=SecretStr("service-key"),
)


class FakeSupabase:
    """The functions and tables the worker uses; `settled` is what it was told."""

    def __init__(self) -> None:
        self.owed: list[Json] = []
        self.settled: list[Json] = []
        self.calls: list[tuple[str, Json]] = []
        self.executions: list[Json] = []
        self.missed: list[str] = []
        self.config: list[Json] = []
        self.reported: set[str] = set()
        self.settle_refusal: Json | None = None
        self.hold: Json | None = None
        self.incident: Json = {
            "id": INCIDENT_ID,
            "organization_id": "6a0c7b7e-0000-4000-8000-00000000000a",
            "external_id": "INC-001",
            "source": "desk",
            "service": "payment-api",
            "severity": "MEDIUM",
            "severity_text": "medium",
            "status": "open",
            "title": "High error rate",
            "logs": ["ERROR: Connection timeout"],
            "created_at": to_iso(NOW),
        }

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == "Bearer service-key"
        name = request.url.path.rsplit("/", 1)[1]
        if request.method == "GET" and name == "system_config":
            return httpx.Response(200, json=self.config)
        if request.method == "GET":
            return httpx.Response(200, json=self.executions if name == "executions" else [self.incident])
        args = json.loads(request.read())
        self.calls.append((name, args))
        if name == "take_outbox":
            taken, self.owed = self.owed, []
            return httpx.Response(200, json=taken)
        if name == "settle_outbox":
            if self.settle_refusal is not None:
                return httpx.Response(409, json=self.settle_refusal)
            self.settled.append(args)
            return httpx.Response(200, json={"settled": True, "status": "owed"})
        answers: Json = {
            "expire_approvals": {"expired": 0},
            "remind_approvals": {"reminded": 0, "second_line": 0},
            "finish_run": {"known": True},
            "metrics_report": {},
            "empty_incidents": {"days": None, "emptied": 0},
            "take_checks": self.executions,
            "note_missing": {"times": 1, "lost": False},
            "note_resumed": {"cancelled": True},
            "note_kestra": {"first_seen_at": to_iso(NOW - timedelta(days=1)), "missed": self.missed},
            "unknown_executions": [i for i in args.get("ids", ()) if i not in self.reported],
            "adopt_execution": {"adopted": True},
            "current_hold": self.hold,
        }
        return httpx.Response(200, json=answers.get(name))

    def called(self, name: str) -> list[Json]:
        return [args for called, args in self.calls if called == name]


class FakeKestra:
    """Answers by path: `execution` for any execution; `asked` keeps what changes something."""

    def __init__(self) -> None:
        self.execution: Json | None = None
        self.uuid = "kestra-1"
        self.version = "2.0.0"
        self.webhook: Callable[[httpx.Request], httpx.Response] = lambda _: httpx.Response(
            200, json={"id": "exec-1"}
        )
        self.resume: Callable[[], httpx.Response] = lambda: httpx.Response(200, json={})
        self.command: Callable[[httpx.Request], httpx.Response] = lambda _: httpx.Response(200, json={})
        self.asked: list[httpx.Request] = []
        self.pages: dict[int, list[Json]] = {}
        self.searched: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path == "/api/v1/configs":
            return httpx.Response(200, json={"uuid": self.uuid, "version": self.version})
        if "/webhook/" in path:
            self.asked.append(request)
            return self.webhook(request)
        if path.endswith("/actions/resume"):
            self.asked.append(request)
            return self.resume()
        if path.endswith(("/kill", "/restart")):
            self.asked.append(request)
            return self.command(request)
        if path.endswith("/executions/search"):
            self.searched.append(request.url.params["page"])
            page = int(request.url.params["page"])
            return httpx.Response(200, json={"results": self.pages.get(page, []), "total": 1000})
        if self.execution is None:
            return httpx.Response(404, json={"message": "Not Found"})
        return httpx.Response(200, json=self.execution)


def execution(*states: str, pause: tuple[str, ...] = (), ended: datetime | None = None) -> Json:
    """Kestra's JSON of an execution with, perhaps, a task run of the pause."""

    def state(*names: str) -> Json:
        last = ended or NOW
        dates = [to_iso(last - timedelta(seconds=len(names) - 1 - n)) for n in range(len(names))]
        return {
            "current": names[-1],
            "histories": [{"state": s, "date": d} for s, d in zip(names, dates, strict=True)],
        }

    runs = [{"id": "t", "taskId": PAUSE_TASK, "state": state(*pause)}] if pause else []
    return {"id": "exec-1", "namespace": "n", "flowId": "f", "state": state(*states), "taskRunList": runs}


def start_row(**detail: Any) -> Json:
    return {
        "id": ROW_ID,
        "kind": "start_run",
        "organization_id": "o",
        "incident_id": INCIDENT_ID,
        "attempts": 0,
        "lease_token": "lease",
        "payload": {},
        "detail": detail,
        "created_at": to_iso(NOW),
        "stuck_since": None,
    }


def decision_row(*, age_seconds: float = 0, instance: str | None = "kestra-1") -> Json:
    payload = {
        "approval_id": "a",
        "kestra_execution_id": "exec-1",
        "kestra_instance": instance,
        "status": "approved",
    }
    created_at = to_iso(NOW - timedelta(seconds=age_seconds))
    return {**start_row(), "kind": "deliver_decision", "payload": payload, "created_at": created_at}


def command_row(command: str, *, instance: str | None = "kestra-1", **detail: Any) -> Json:
    payload = {
        "command": command,
        "kestra_execution_id": "exec-1",
        "kestra_instance": instance,
        "reason": "because",
    }
    return {**start_row(**detail), "kind": "command", "payload": payload}


def refuses_password(request: httpx.Request) -> httpx.Response:
    return httpx.Response(401)


def refuses_connection(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused", request=request)


def has_no_room(request: httpx.Request) -> httpx.Response:
    return httpx.Response(503)


def ago(seconds: float) -> str:
    return to_iso(NOW - timedelta(seconds=seconds))


@pytest.fixture
def supabase() -> FakeSupabase:
    return FakeSupabase()


@pytest.fixture
def kestra() -> FakeKestra:
    return FakeKestra()


@pytest.fixture
def worker(supabase: FakeSupabase, kestra: FakeKestra) -> Iterator[Worker]:
    with Worker(
        SETTINGS,
        name="test",
        clock=lambda: NOW,
        kestra_transport=httpx.MockTransport(kestra),
        supabase_transport=httpx.MockTransport(supabase),
    ) as worker:
        yield worker


def settled(worker: Worker, supabase: FakeSupabase, row: Json) -> Json:
    """Let the worker attempt one row; how it settled it."""
    supabase.owed = [row]
    assert worker.tick()
    (settlement,) = supabase.settled
    assert (settlement["id"], settlement["lease_token"]) == (ROW_ID, "lease")
    return settlement


class TestStart:
    def test_a_start_is_sent_once_and_then_waits_for_its_claim(
        self, worker: Worker, supabase: FakeSupabase, kestra: FakeKestra
    ) -> None:
        settlement = settled(worker, supabase, start_row())
        assert settlement["outcome"] == "waiting"
        assert settlement["detail"]["kestra_execution_id"] == "exec-1"
        assert settlement["detail"]["sent_at"] == to_iso(NOW)
        (request,) = kestra.asked
        assert request.url.path.endswith("/webhook/incident.response/incident-handler/incident-webhook-key")
        assert "authorization" not in request.headers
        body = json.loads(request.content)
        assert (body["run_id"], body["id"], body["severity"]) == (ROW_ID, "INC-001", "medium")

    def test_a_running_execution_is_waited_for_and_not_sent_again(
        self, worker: Worker, supabase: FakeSupabase, kestra: FakeKestra
    ) -> None:
        kestra.execution = execution("CREATED", "RUNNING")
        row = start_row(sent_at=ago(59), kestra_execution_id="exec-1")
        assert settled(worker, supabase, row)["outcome"] == "waiting"
        assert kestra.asked == []

    @pytest.mark.parametrize("states", [("CREATED",), ("CREATED", "QUEUED"), ("CREATED", "RUNNING")])
    def test_one_that_has_not_claimed_after_a_minute_is_told_and_still_not_sent_again(
        self, worker: Worker, supabase: FakeSupabase, kestra: FakeKestra, states: tuple[str, ...]
    ) -> None:
        kestra.execution = execution(*states)
        row = start_row(sent_at=ago(61), kestra_execution_id="exec-1")
        settlement = settled(worker, supabase, row)
        assert settlement == {
            "id": ROW_ID,
            "lease_token": "lease",
            "outcome": "retry",
            "detail": {
                "error": f"The execution exec-1 is {states[-1]} and has not claimed the incident."
                " It is not started a second time; incidentscribe doctor --probe says whether Kestra carries"
                " out what it takes, and reaches Supabase."
            },
        }
        assert kestra.asked == []

        # Worked off at last, and the claim itself was not heard of yet.
        kestra.execution = execution("CREATED", "RUNNING", "SUCCESS")
        supabase.executions = [record(owns=True)]
        supabase.settled.clear()
        late = start_row(sent_at=ago(300), kestra_execution_id="exec-1")
        assert settled(worker, supabase, late)["outcome"] == "done"
        assert kestra.asked == []

    def test_a_time_out_waits_fifteen_seconds_for_the_claim(
        self, worker: Worker, supabase: FakeSupabase, kestra: FakeKestra
    ) -> None:
        def time_out(request: httpx.Request) -> httpx.Response:
            raise httpx.ReadTimeout("too slow", request=request)

        kestra.webhook = time_out
        first = settled(worker, supabase, start_row())
        assert first["outcome"] == "retry"
        assert first["detail"]["sent_at"] == to_iso(NOW)
        assert "did not answer in time" in first["detail"]["error"]

        supabase.settled.clear()
        row = start_row(sent_at=ago(4), kestra_execution_id=None)
        second = settled(worker, supabase, row)
        assert (second["outcome"], second["detail"]["after_seconds"]) == ("waiting", 11.0)
        assert len(kestra.asked) == 1

    def test_a_time_out_without_a_claim_is_sent_again(
        self, worker: Worker, supabase: FakeSupabase, kestra: FakeKestra
    ) -> None:
        row = start_row(sent_at=ago(16), kestra_execution_id=None)
        assert settled(worker, supabase, row)["detail"]["kestra_execution_id"] == "exec-1"
        assert len(kestra.asked) == 1

    def test_a_refused_connection_is_tried_again_without_waiting_for_a_claim(
        self, worker: Worker, supabase: FakeSupabase, kestra: FakeKestra
    ) -> None:
        kestra.webhook = refuses_connection
        settlement = settled(worker, supabase, start_row())
        assert settlement["outcome"] == "retry"
        assert settlement["detail"]["sent_at"] is None

    @pytest.mark.parametrize("state", ["FAILED", "KILLED", "WARNING", "SUCCESS"])
    def test_an_execution_that_ended_before_its_claim_is_started_again(
        self, worker: Worker, supabase: FakeSupabase, kestra: FakeKestra, state: str
    ) -> None:
        kestra.execution = execution("CREATED", "RUNNING", state)
        row = start_row(sent_at=ago(3), kestra_execution_id="exec-1")
        settlement = settled(worker, supabase, row)
        assert settlement["outcome"] == "retry"
        assert settlement["detail"]["kestra_execution_id"] is None
        assert settlement["detail"]["last_execution_id"] == "exec-1"
        assert "before it claimed" in settlement["detail"]["error"]

        supabase.settled.clear()
        settled(worker, supabase, start_row(**settlement["detail"]))
        assert len(kestra.asked) == 1

    def test_a_refused_claim_tells_its_reason(
        self, worker: Worker, supabase: FakeSupabase, kestra: FakeKestra
    ) -> None:
        kestra.execution = execution("CREATED", "RUNNING", "SUCCESS")
        supabase.executions = [record(owns=False, problem="Execution exec-0 is at work on this incident.")]
        row = start_row(sent_at=ago(3), kestra_execution_id="exec-1")
        assert (
            settled(worker, supabase, row)["detail"]["error"]
            == "Execution exec-0 is at work on this incident."
        )

    def test_a_claim_seen_late_is_done(
        self, worker: Worker, supabase: FakeSupabase, kestra: FakeKestra
    ) -> None:
        kestra.execution = execution("CREATED", "RUNNING", "SUCCESS")
        supabase.executions = [record(owns=True)]
        row = start_row(sent_at=ago(3), kestra_execution_id="exec-1")
        assert settled(worker, supabase, row)["outcome"] == "done"

    def test_an_execution_kestra_lost_is_started_again_after_fifteen_seconds(
        self, worker: Worker, supabase: FakeSupabase
    ) -> None:
        early = settled(worker, supabase, start_row(sent_at=ago(5), kestra_execution_id="exec-1"))
        supabase.settled.clear()
        late = settled(worker, supabase, start_row(sent_at=ago(16), kestra_execution_id="exec-1"))
        assert (early["outcome"], late["outcome"]) == ("waiting", "retry")

    def test_a_missing_flow_stays_owed_and_says_what_to_do(
        self, worker: Worker, supabase: FakeSupabase, kestra: FakeKestra
    ) -> None:
        kestra.webhook = lambda _: httpx.Response(404, json={"message": "Not Found: Flow not found"})
        settlement = settled(worker, supabase, start_row())
        assert settlement["outcome"] == "retry"
        assert "Flow not found" in settlement["detail"]["error"]
        assert "incidentscribe deploy" in settlement["detail"]["error"]


class TestDelivery:
    def test_a_paused_execution_is_resumed_with_the_decisions_id_only(
        self, worker: Worker, supabase: FakeSupabase, kestra: FakeKestra
    ) -> None:
        kestra.execution = execution("CREATED", "RUNNING", "PAUSED", pause=("CREATED", "RUNNING", "PAUSED"))

        def resume() -> httpx.Response:
            kestra.execution = execution("CREATED", "RUNNING", pause=("CREATED", "PAUSED", "SUCCESS"))
            return httpx.Response(200, json={})

        kestra.resume = resume
        settlement = settled(worker, supabase, decision_row())
        assert settlement["outcome"] == "done"
        assert settlement["detail"] == {"state": "RUNNING"}
        (request,) = kestra.asked
        assert b"decision_id" in request.content
        assert b"approved" not in request.content

    def test_a_resume_whose_effect_is_not_seen_yet_is_looked_at_again(
        self, worker: Worker, supabase: FakeSupabase, kestra: FakeKestra
    ) -> None:
        kestra.execution = execution("CREATED", "RUNNING", "PAUSED", pause=("CREATED", "RUNNING", "PAUSED"))
        assert settled(worker, supabase, decision_row())["outcome"] == "waiting"

    def test_a_pause_that_is_not_reached_yet_is_waited_for_without_a_failure(
        self, worker: Worker, supabase: FakeSupabase, kestra: FakeKestra
    ) -> None:
        kestra.execution = execution("CREATED", "RUNNING")
        assert settled(worker, supabase, decision_row())["outcome"] == "waiting"
        assert kestra.asked == []

    def test_a_pause_that_is_never_reached_becomes_a_failure(
        self, worker: Worker, supabase: FakeSupabase, kestra: FakeKestra
    ) -> None:
        kestra.execution = execution("CREATED", "RUNNING")
        settlement = settled(worker, supabase, decision_row(age_seconds=90))
        assert settlement["outcome"] == "retry"
        assert "has not reached its pause" in settlement["detail"]["error"]

    def test_409_from_kestra_is_looked_at_again(
        self, worker: Worker, supabase: FakeSupabase, kestra: FakeKestra
    ) -> None:
        kestra.execution = execution("CREATED", "RUNNING", "PAUSED", pause=("CREATED", "RUNNING", "PAUSED"))
        kestra.resume = lambda: httpx.Response(
            409, json={"message": "Illegal state: Execution 'exec-1' is not paused, can't resume it"}
        )
        assert settled(worker, supabase, decision_row())["outcome"] == "waiting"

    def test_a_pause_ended_by_somebody_else_counts_as_delivered(
        self, worker: Worker, supabase: FakeSupabase, kestra: FakeKestra
    ) -> None:
        kestra.execution = execution("CREATED", "RUNNING", pause=("CREATED", "RUNNING", "PAUSED", "SUCCESS"))
        settlement = settled(worker, supabase, decision_row())
        assert (settlement["outcome"], settlement["detail"]) == ("done", {"state": "RUNNING"})
        assert kestra.asked == []

    def test_a_terminal_execution_counts_as_delivered_with_its_state(
        self, worker: Worker, supabase: FakeSupabase, kestra: FakeKestra
    ) -> None:
        kestra.execution = execution("CREATED", "RUNNING", "KILLED")
        settlement = settled(worker, supabase, decision_row())
        assert (settlement["outcome"], settlement["detail"]) == ("done", {"state": "KILLED"})

    def test_a_decision_never_goes_to_another_kestra(
        self, worker: Worker, supabase: FakeSupabase, kestra: FakeKestra
    ) -> None:
        kestra.uuid = "kestra-2"
        kestra.execution = execution("CREATED", "RUNNING", "PAUSED", pause=("CREATED", "RUNNING", "PAUSED"))
        assert settled(worker, supabase, decision_row())["outcome"] == "retry"
        assert kestra.asked == []


class TestCommands:
    @pytest.mark.parametrize(("version", "status"), [("1.3.25", 202), ("2.0.0", 200)])
    @pytest.mark.parametrize("instance", ["kestra-1", None])
    def test_a_run_is_killed_once(
        self,
        worker: Worker,
        supabase: FakeSupabase,
        kestra: FakeKestra,
        version: str,
        status: int,
        instance: str | None,
    ) -> None:
        kestra.version = version
        kestra.execution = execution("CREATED", "RUNNING", "PAUSED")
        kestra.command = lambda _: httpx.Response(status)
        settlement = settled(worker, supabase, command_row("kill", instance=instance))
        assert (settlement["outcome"], settlement["detail"]) == ("done", {"state": "PAUSED"})
        (request,) = kestra.asked
        assert (request.method, request.url.path.rsplit("/", 1)[1]) == ("DELETE", "kill")

    def test_what_has_ended_is_killed_already(
        self, worker: Worker, supabase: FakeSupabase, kestra: FakeKestra
    ) -> None:
        kestra.execution = execution("CREATED", "RUNNING", "SUCCESS")
        settlement = settled(worker, supabase, command_row("kill"))
        assert settlement["outcome"] == "done"
        assert settlement["detail"]["note"] == "It had ended before the kill: succeeded."
        assert kestra.asked == []

    @pytest.mark.parametrize("command", ["kill", "restart"])
    def test_an_execution_kestra_does_not_know_needs_no_command(
        self, worker: Worker, supabase: FakeSupabase, kestra: FakeKestra, command: str
    ) -> None:
        settlement = settled(worker, supabase, command_row(command))
        assert settlement["outcome"] == "done"
        assert "does not know the execution exec-1" in settlement["detail"]["note"]
        assert kestra.asked == []

    @pytest.mark.parametrize("command", ["kill", "restart"])
    def test_a_command_never_goes_to_another_kestra(
        self, worker: Worker, supabase: FakeSupabase, kestra: FakeKestra, command: str
    ) -> None:
        kestra.uuid = "kestra-2"
        kestra.execution = execution("CREATED", "RUNNING", "FAILED")
        settlement = settled(worker, supabase, command_row(command))
        assert settlement["outcome"] == "retry"
        assert "is kestra-2, not kestra-1" in settlement["detail"]["error"]
        assert kestra.asked == []

    def test_a_failed_run_is_restarted(
        self, worker: Worker, supabase: FakeSupabase, kestra: FakeKestra
    ) -> None:
        kestra.execution = execution("CREATED", "RUNNING", "FAILED")
        settlement = settled(worker, supabase, command_row("restart"))
        assert (settlement["outcome"], settlement["detail"]) == ("done", {"state": "FAILED"})
        (request,) = kestra.asked
        assert (request.method, request.url.path.rsplit("/", 1)[1]) == ("POST", "restart")

    @pytest.mark.parametrize("status", [409, 422])
    def test_a_refused_restart_is_done_and_says_why(
        self, worker: Worker, supabase: FakeSupabase, kestra: FakeKestra, status: int
    ) -> None:
        message = "Illegal argument: No task found to restart execution from!"
        kestra.execution = execution("CREATED", "RUNNING", "SUCCESS")
        kestra.command = lambda _: httpx.Response(status, json={"message": message})
        settlement = settled(worker, supabase, command_row("restart"))
        assert settlement["outcome"] == "done"
        assert message in settlement["detail"]["note"]

    def test_what_runs_is_not_restarted(
        self, worker: Worker, supabase: FakeSupabase, kestra: FakeKestra
    ) -> None:
        kestra.execution = execution("CREATED", "RUNNING", "FAILED", "RESTARTED", "RUNNING")
        settlement = settled(worker, supabase, command_row("restart"))
        assert settlement["outcome"] == "done"
        assert settlement["detail"]["note"] == "Nothing to restart: it is running."
        assert kestra.asked == []

    def test_a_restart_that_had_an_effect_but_no_answer_is_not_repeated(
        self, worker: Worker, supabase: FakeSupabase, kestra: FakeKestra
    ) -> None:
        def time_out(request: httpx.Request) -> httpx.Response:
            raise httpx.ReadTimeout("too slow", request=request)

        kestra.execution = execution("CREATED", "RUNNING", "FAILED")
        kestra.command = time_out
        first = settled(worker, supabase, command_row("restart"))
        assert (first["outcome"], first["detail"]["sent_after_changes"]) == ("retry", 3)

        supabase.settled.clear()
        kestra.execution = execution("CREATED", "RUNNING", "FAILED", "RESTARTED", "RUNNING", "FAILED")
        second = settled(worker, supabase, command_row("restart", sent_after_changes=3))
        assert second["outcome"] == "done"
        assert second["detail"]["note"] == "It was restarted and has ended again: failed."
        assert len(kestra.asked) == 1

    def test_a_kill_without_answer_is_sent_again(
        self, worker: Worker, supabase: FakeSupabase, kestra: FakeKestra
    ) -> None:
        kestra.execution = execution("CREATED", "RUNNING")
        kestra.command = lambda _: httpx.Response(503)
        assert settled(worker, supabase, command_row("kill"))["outcome"] == "retry"
        supabase.settled.clear()
        kestra.command = lambda _: httpx.Response(200)
        assert settled(worker, supabase, command_row("kill"))["outcome"] == "done"


class TestLoop:
    def test_a_lost_lease_is_left_to_the_other_worker(self, worker: Worker, supabase: FakeSupabase) -> None:
        detail = json.dumps({"code": "lost_lease"})
        supabase.settle_refusal = {"code": "PT409", "message": "lost", "details": detail, "hint": None}
        supabase.owed = [start_row()]
        assert worker.tick()

    def test_only_the_kinds_it_can_pay_are_taken(self, worker: Worker, supabase: FakeSupabase) -> None:
        assert not worker.tick()
        (args,) = supabase.called("take_outbox")
        assert args["kinds"] == ["start_run", "deliver_decision", "command"]
        assert args["worker"] == "test"

    def test_approvals_are_let_expire(self, worker: Worker, supabase: FakeSupabase) -> None:
        worker.tick()
        assert len(supabase.called("expire_approvals")) == 1

    def test_a_row_that_cannot_be_understood_does_not_stop_the_others(
        self, worker: Worker, supabase: FakeSupabase, caplog: pytest.LogCaptureFixture
    ) -> None:
        broken = {**decision_row(), "payload": {}}
        supabase.owed = [broken, start_row()]
        worker.tick()
        assert sorted(s["outcome"] for s in supabase.settled) == ["retry", "waiting"]

    def test_the_thread_starts_wakes_and_stops(self, supabase: FakeSupabase, kestra: FakeKestra) -> None:
        worker = Worker(
            SETTINGS,
            kestra_transport=httpx.MockTransport(kestra),
            supabase_transport=httpx.MockTransport(supabase),
        )
        worker.start()
        worker.wake()
        until(lambda: supabase.called("take_outbox"), "the worker has looked for work")
        worker.stop()


class TestReconcile:
    def test_an_end_the_flow_did_not_report_is_reported(
        self, worker: Worker, supabase: FakeSupabase, kestra: FakeKestra
    ) -> None:
        supabase.executions = [record()]
        kestra.execution = execution(
            "CREATED", "RUNNING", "KILLING", "KILLED", ended=NOW - timedelta(seconds=9)
        )
        worker.tick_reconcile()
        (args,) = supabase.called("finish_run")
        assert (args["kestra_execution_id"], args["state"], args["seen"]) == ("exec-1", "KILLED", 4)

    def test_the_flow_gets_some_seconds_to_report_for_itself(
        self, worker: Worker, supabase: FakeSupabase, kestra: FakeKestra
    ) -> None:
        supabase.executions = [record(history_length=3, kestra_instance="kestra-1")]
        kestra.execution = execution("CREATED", "RUNNING", "SUCCESS", ended=NOW - timedelta(seconds=1))
        worker.tick_reconcile()
        assert supabase.called("finish_run") == []

    def test_a_new_state_is_noted_with_the_instance(
        self, worker: Worker, supabase: FakeSupabase, kestra: FakeKestra
    ) -> None:
        supabase.executions = [record(history_length=2)]
        kestra.execution = execution("CREATED", "RUNNING", "PAUSED", pause=("CREATED", "RUNNING", "PAUSED"))
        worker.tick_reconcile()
        (args,) = supabase.called("note_execution")
        assert args == {
            "kestra_execution_id": "exec-1",
            "kestra_instance": "kestra-1",
            "state": "PAUSED",
            "step": PAUSE_TASK,
            "seen": 3,
        }

    def test_what_another_kestra_runs_is_left_alone(
        self, worker: Worker, supabase: FakeSupabase, kestra: FakeKestra
    ) -> None:
        supabase.executions = [record(kestra_instance="kestra-0")]
        worker.tick_reconcile()
        assert (supabase.called("finish_run"), supabase.called("note_missing")) == ([], [])

    def test_one_kestra_does_not_know_is_counted_with_the_instance_that_says_so(
        self, worker: Worker, supabase: FakeSupabase
    ) -> None:
        supabase.executions = [record(kestra_instance="kestra-1")]
        worker.tick_reconcile()
        (args,) = supabase.called("note_missing")
        assert args == {"kestra_execution_id": "exec-1", "kestra_instance": "kestra-1"}
        assert supabase.called("finish_run") == []

    def test_one_that_turns_up_again_is_noted(
        self, worker: Worker, supabase: FakeSupabase, kestra: FakeKestra
    ) -> None:
        supabase.executions = [record(history_length=2, kestra_instance="kestra-1", missing_times=2)]
        kestra.execution = execution("CREATED", "RUNNING")
        worker.tick_reconcile()
        assert len(supabase.called("note_execution")) == 1

    @pytest.mark.parametrize(("seconds", "ends"), [(30, []), (46, ["KILLED"])])
    def test_a_kill_that_never_ends_counts_as_killed(
        self, worker: Worker, supabase: FakeSupabase, kestra: FakeKestra, seconds: int, ends: list[str]
    ) -> None:
        supabase.executions = [record(history_length=2, kestra_instance="kestra-1")]
        kestra.execution = execution("CREATED", "RUNNING", "KILLING", ended=NOW - timedelta(seconds=seconds))
        worker.tick_reconcile()
        assert [args["state"] for args in supabase.called("finish_run")] == ends

    @pytest.mark.parametrize(
        ("last", "state", "told"),
        [("SUCCESS", "RUNNING", 1), ("KILLED", "KILLING", 0), ("PAUSED", "PAUSED", 0)],
    )
    def test_a_pause_ended_by_a_resume_is_told_and_by_a_kill_is_not(
        self, worker: Worker, supabase: FakeSupabase, kestra: FakeKestra, last: str, state: str, told: int
    ) -> None:
        supabase.executions = [record(history_length=3, kestra_instance="kestra-1")]
        kestra.execution = execution(
            "CREATED", "RUNNING", "PAUSED", "RESTARTED", state, pause=("RUNNING", "PAUSED", last)
        )
        worker.tick_reconcile()
        assert len(supabase.called("note_resumed")) == told

    def test_what_a_round_had_no_time_for_is_looked_for_first_in_the_next(
        self,
        worker: Worker,
        supabase: FakeSupabase,
        kestra: FakeKestra,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        kestra.execution = execution("CREATED", "RUNNING", "KILLED", ended=NOW - timedelta(seconds=9))
        supabase.executions = [record()]
        with monkeypatch.context() as slow:
            slow.setattr(reconcile, "_ROUND_SECONDS", 0.0)
            worker.tick_reconcile()
        assert supabase.called("finish_run") == []

        supabase.executions = []  # handed out for this time
        worker.tick_reconcile()
        worker.tick_reconcile()
        assert len(supabase.called("finish_run")) == 1

    def test_a_round_that_fails_leaves_nothing_to_fail_first_in_the_next(
        self,
        worker: Worker,
        supabase: FakeSupabase,
        kestra: FakeKestra,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        supabase.executions = [record()]
        with monkeypatch.context() as slow:
            slow.setattr(reconcile, "_ROUND_SECONDS", 0.0)
            worker.tick_reconcile()
        supabase.executions = []
        kestra.execution = {"id": "exec-1", "state": "unreadable"}
        with pytest.raises(UpstreamProtocolError):
            worker.tick_reconcile()
        worker.tick_reconcile()

    def test_rounds_begin_every_five_seconds_however_long_they_take(
        self, supabase: FakeSupabase, kestra: FakeKestra
    ) -> None:
        def slowly(request: httpx.Request) -> httpx.Response:
            time.sleep(0.2)
            return kestra(request)

        with Worker(
            SETTINGS,
            kestra_transport=httpx.MockTransport(slowly),
            supabase_transport=httpx.MockTransport(supabase),
        ) as worker:
            worker.tick_reconcile()
            assert 0.5 <= worker._reconciling.left(0.5) <= 4.8

    def test_an_unreachable_kestra_does_not_stop_the_outbox(self, supabase: FakeSupabase) -> None:
        supabase.executions = [record()]
        supabase.owed = [start_row()]
        with Worker(
            SETTINGS,
            kestra_transport=httpx.MockTransport(refuses_connection),
            supabase_transport=httpx.MockTransport(supabase),
        ) as worker:
            assert worker.tick()
        assert [s["outcome"] for s in supabase.settled] == ["retry"]


class TestKestraAway:
    """A Kestra that cannot be used is one alarm, whenever it went, and changes nothing."""

    class Rounds:
        """Rounds of one worker's reconciling, at a clock of their own."""

        def __init__(self, supabase: FakeSupabase, kestra: Callable[[httpx.Request], httpx.Response]) -> None:
            self.kestra = kestra
            self._now = NOW
            self._worker = Worker(
                SETTINGS,
                clock=lambda: self._now,
                kestra_transport=httpx.MockTransport(lambda request: self.kestra(request)),
                supabase_transport=httpx.MockTransport(supabase),
            )

        def at(self, seconds: float) -> IncidentScribeError | None:
            """One round, so long after the beginning; what it failed with."""
            self._now = NOW + timedelta(seconds=seconds)
            try:
                self._worker.tick_reconcile()
            except IncidentScribeError as error:
                return error
            return None

        def stop(self) -> None:
            self._worker.stop()

    @pytest.fixture
    def rounds(self, supabase: FakeSupabase, kestra: FakeKestra) -> Iterator[Rounds]:
        rounds = self.Rounds(supabase, kestra)
        yield rounds
        rounds.stop()

    @pytest.mark.parametrize(
        ("away", "told"),
        [
            (refuses_password, "Kestra does not accept the user name and password."),
            (refuses_connection, "Kestra cannot be reached (ConnectError)."),
            (has_no_room, "Kestra could not do its configuration just now"),
        ],
    )
    def test_one_that_is_away_when_the_worker_starts_is_an_alarm_within_a_minute(
        self,
        supabase: FakeSupabase,
        rounds: Rounds,
        away: Callable[[httpx.Request], httpx.Response],
        told: str,
    ) -> None:
        supabase.executions = [record()]
        rounds.kestra = away
        assert [rounds.at(0) is not None, rounds.at(10) is not None] == [True, True]
        assert supabase.called("note_kestra_trouble") == []
        assert rounds.at(25) is not None
        (alarm,) = supabase.called("note_kestra_trouble")
        assert alarm["what"].startswith(told)
        assert {name for name, _ in supabase.calls} == {"note_kestra_trouble"}

    def test_one_that_goes_away_just_before_a_look_back_is_due_is_an_alarm_too(
        self,
        supabase: FakeSupabase,
        kestra: FakeKestra,
        rounds: Rounds,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(look_back, "EVERY_SECONDS", 0.0)
        assert rounds.at(0) is None
        rounds.kestra = refuses_connection
        assert all(rounds.at(seconds) for seconds in (5, 15, 30))
        assert len(supabase.called("note_kestra_trouble")) == 1

        # Back for one round, so the next absence gets its patience again.
        rounds.kestra = kestra
        assert rounds.at(35) is None
        rounds.kestra = refuses_connection
        assert rounds.at(40) is not None
        assert len(supabase.called("note_kestra_trouble")) == 1

    def test_it_is_told_during_a_hold_and_nothing_is_taken_over(
        self, supabase: FakeSupabase, kestra: FakeKestra, rounds: Rounds
    ) -> None:
        supabase.hold = {"id": 1, "reason": "It was restored.", "begun_by": "w", "began_at": to_iso(NOW)}
        supabase.executions = [record()]
        assert rounds.at(0) is None
        rounds.kestra = refuses_connection
        assert all(rounds.at(seconds) for seconds in (5, 30))
        assert len(supabase.called("note_kestra_trouble")) == 1
        rounds.kestra = kestra
        assert rounds.at(35) is None
        assert (supabase.called("take_checks"), supabase.called("finish_run")) == ([], [])

    def test_a_later_look_back_that_fails_keeps_no_run_from_being_looked_for(
        self,
        supabase: FakeSupabase,
        kestra: FakeKestra,
        rounds: Rounds,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(look_back, "EVERY_SECONDS", 0.0)
        assert rounds.at(0) is None

        def cannot_search(request: httpx.Request) -> httpx.Response:
            return has_no_room(request) if request.url.path.endswith("/search") else kestra(request)

        rounds.kestra = cannot_search
        supabase.executions = [record()]
        kestra.execution = execution("CREATED", "RUNNING", "KILLED", ended=NOW - timedelta(seconds=9))
        assert rounds.at(5) is None
        assert len(supabase.called("finish_run")) == 1


class TestStrays:
    """Executions that ended at Kestra before their claim."""

    def test_one_that_never_reported_is_adopted_with_its_input(
        self, worker: Worker, supabase: FakeSupabase, kestra: FakeKestra
    ) -> None:
        kestra.execution = failed("exec-1", inputs={"incident_data": {"title": "Errors"}})
        kestra.pages = {1: [kestra.execution]}
        worker.tick_reconcile()
        (args,) = supabase.called("adopt_execution")
        assert (args["kestra_execution_id"], args["payload"], args["state"]) == (
            "exec-1",
            {"title": "Errors"},
            "FAILED",
        )

    def test_one_that_claimed_as_a_replay_of_another_is_not(
        self, worker: Worker, supabase: FakeSupabase, kestra: FakeKestra
    ) -> None:
        kestra.execution = failed("exec-1", claim="SUCCESS")
        kestra.pages = {1: [kestra.execution]}
        worker.tick_reconcile()
        assert supabase.called("adopt_execution") == []

    @pytest.mark.parametrize("seconds", [2, 2 * 86400])
    def test_neither_is_one_that_may_still_report_or_began_before_the_desk_knew_this_kestra(
        self, worker: Worker, supabase: FakeSupabase, kestra: FakeKestra, seconds: int
    ) -> None:
        kestra.execution = failed("exec-1", seconds=seconds)
        kestra.pages = {1: [kestra.execution]}
        worker.tick_reconcile()
        assert supabase.called("adopt_execution") == []

    def test_nothing_is_adopted_while_runs_of_another_kestra_are_missed(
        self, worker: Worker, supabase: FakeSupabase, kestra: FakeKestra
    ) -> None:
        supabase.missed = ["kestra-0"]
        kestra.execution = failed("exec-1")
        kestra.pages = {1: [kestra.execution]}
        worker.tick_reconcile()
        assert supabase.called("adopt_execution") == []

    def test_a_long_backlog_is_read_over_the_rounds_and_then_only_its_newest_page(
        self, supabase: FakeSupabase, kestra: FakeKestra
    ) -> None:
        kestra.execution = failed("exec-1", claim="SUCCESS")
        kestra.pages = {
            page: [failed(f"exec-{page}-{n}", seconds=600 * page + n) for n in range(50)]
            for page in range(1, 6)
        }
        supabase.reported = {one["id"] for page in kestra.pages.values() for one in page}
        read = []
        with KestraApi(SETTINGS, httpx.MockTransport(kestra)) as api:
            client = as_service(SETTINGS, httpx.Client(transport=httpx.MockTransport(supabase)))
            strays = Strays(api, every_seconds=0)
            for _ in range(4):
                kestra.searched.clear()
                strays.run_once(client, "kestra-1", NOW - timedelta(days=1), NOW)
                read.append(list(kestra.searched))
        assert read == [["1", "2", "3"], ["1", "4", "5"], ["1", "6"], ["1"]]
        assert supabase.called("adopt_execution") == []


def failed(
    execution_id: str, *, seconds: float = 60, claim: str = "FAILED", inputs: Json | None = None
) -> Json:
    """An execution that ended so many seconds ago, its claim in that state."""
    ended = execution("CREATED", "RUNNING", "FAILED", ended=NOW - timedelta(seconds=seconds))
    run = {"id": "c", "taskId": "open_run", "state": {"current": claim, "histories": []}}
    return {**ended, "id": execution_id, "inputs": inputs or {}, "taskRunList": [run]}


def record(**values: Any) -> Json:
    return {
        "id": "r",
        "organization_id": "o",
        "incident_id": INCIDENT_ID,
        "kestra_execution_id": "exec-1",
        "owns": True,
        **values,
    }


def test_what_ended_long_ago_is_emptied_hourly_a_batch_at_a_time() -> None:
    asked: list[int] = []
    left = [BATCH, BATCH, 3]

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(json.loads(request.read())["n"])
        return httpx.Response(200, json={"days": 90, "emptied": left.pop(0)})

    purger = Purger()
    with httpx.Client(transport=httpx.MockTransport(answer)) as http:
        for _ in range(5):
            purger.look(as_service(SETTINGS, http))
    assert asked == [BATCH] * 3
