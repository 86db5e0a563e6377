"""Looking back: what puts the workers on hold, and what looks like it and is no forgetting."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from dashboard.domain.clock import to_iso
from dashboard.domain.execution import Execution, StateChange, TaskRun
from dashboard.errors import NotFound, UpstreamProtocolError
from dashboard.kestra_api.models import ExecutionPage, Instance
from dashboard.settings import ServiceSettings
from dashboard.store.connection import as_service
from dashboard.worker.look_back import LookBack

NOW = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
Json = dict[str, Any]
OUTCOME = {"action_key": "restart_service", "outcome": "acted", "verified": True, "code": 200}


def run(task_id: str, at: datetime, state: str = "SUCCESS") -> TaskRun:
    return TaskRun(id=task_id, task_id=task_id, state=state, history=(StateChange(state="RUNNING", at=at),))


def execution(
    execution_id: str,
    *tasks: str,
    minutes: int = 10,
    claimed: int = 0,
    replayed_after: int | None = None,
    **more: Any,
) -> Execution:
    """Begun so many minutes ago, its task runs `claimed` minutes before that, replayed so many after it."""
    began = NOW - timedelta(minutes=minutes)
    runs = tuple(run(task, began - timedelta(minutes=claimed)) for task in tasks)
    history = (StateChange(state="CREATED", at=began),)
    if replayed_after is not None:
        history += (StateChange(state="RESTARTED", at=began + timedelta(minutes=replayed_after)),)
        more["original_id"] = "another"
    return Execution(
        id=execution_id,
        namespace="incident.response",
        flow_id="incident-handler",
        state="SUCCESS",
        history=history,
        task_runs=runs,
        **more,
    )


def claimed(execution_id: str, **more: Any) -> Execution:
    return execution(execution_id, "open_run", "aggregate_data_sources", **more)


class FakeKestra:
    """What it has, newest first; the outputs of every acting task are `outcomes`."""

    def __init__(self, *executions: Execution) -> None:
        self.executions = list(executions)
        self.outcomes: list[Json] = []
        self.pages: list[int] = []
        self.refuses_search = False

    def get_instance(self) -> Instance:
        return Instance(uuid="kestra-1", version="2.0.0")

    def get_execution(self, execution_id: str) -> Execution:
        found = next((each for each in self.executions if each.id == execution_id), None)
        if found is None:
            raise NotFound("It is not there.")
        return found

    def search_executions(
        self, *, namespace: str, flow_id: str, states: tuple[str, ...], page: int, size: int
    ) -> ExecutionPage:
        if self.refuses_search:
            raise UpstreamProtocolError("Kestra", "No such search.")
        self.pages.append(page)
        part = self.executions[(page - 1) * size : page * size]
        return ExecutionPage(executions=tuple(part), total=len(self.executions))

    def get_task_outputs(self, execution: Execution, task_id: str) -> Json:
        return {"vars": {"acted": len(self.outcomes), "outcomes": self.outcomes}}


class FakeSupabase:
    """Knows some executions; `begun` is what a hold was begun with."""

    def __init__(self) -> None:
        self.known: set[str] = set()
        self.with_actions: set[str] = set()
        self.live: list[str] = []
        self.first_seen_at = NOW - timedelta(days=300)
        self.begun: list[Json] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        name = request.url.path.rsplit("/", 1)[1]
        if request.method == "GET":
            return httpx.Response(200, json=[{"kestra_execution_id": each} for each in self.live])
        args = json.loads(request.read())
        answers: Json = {
            "note_kestra": {"first_seen_at": to_iso(self.first_seen_at), "missed": []},
            "forgotten_executions": [i for i in args.get("ids", ()) if i not in self.known],
            "without_actions": [i for i in args.get("ids", ()) if i not in self.with_actions],
        }
        if name == "begin_hold":
            self.begun += args["forgotten"]
            self.known |= {each["kestra_execution_id"] for each in args["forgotten"]}
        if name in ("begin_hold", "current_hold"):
            hold = {"id": 1, "reason": "It was restored.", "begun_by": "w", "began_at": to_iso(NOW)}
            return httpx.Response(200, json=hold if self.begun else None)
        return httpx.Response(200, json=answers[name])


@pytest.fixture
def supabase() -> FakeSupabase:
    return FakeSupabase()


def look(kestra: FakeKestra, supabase: FakeSupabase) -> list[str]:
    """The ids of what a new worker finds at its first look."""
    settings = ServiceSettings(
        supabase_url="http://supabase.test", supabase_service_role_key=SecretStr("service-key")
    )
    with httpx.Client(transport=httpx.MockTransport(supabase)) as http:
        looking = LookBack(kestra, "w")
        hold = looking.first(as_service(settings, http), NOW)
        assert looking.is_done
        assert (hold is not None) == bool(supabase.begun)
    return [each["kestra_execution_id"] for each in supabase.begun]


def test_a_run_that_has_claimed_and_is_unknown_is_found_with_its_incident_and_what_it_did(
    supabase: FakeSupabase,
) -> None:
    given = {"run_id": "r-1", "id": "INC-1", "service": "api", "severity": "LOW", "title": "It fails\0"}
    tasks = ("open_run", "aggregate_data_sources", "auto_remediate_low")
    kestra = FakeKestra(execution("gone", *tasks, inputs={"incident_data": given}), claimed("here"))
    kestra.outcomes = [OUTCOME]
    supabase.known = {"here"}
    assert look(kestra, supabase) == ["gone"]
    [found] = supabase.begun
    assert (found["external_id"], found["run_id"], found["title"]) == ("INC-1", "r-1", "It fails")
    assert (found["actions"], found["kestra_instance"]) == ([OUTCOME], "kestra-1")


def test_a_known_run_that_acted_in_the_lost_time_is_found(supabase: FakeSupabase) -> None:
    kestra = FakeKestra(execution("waiting", "open_run", "aggregate_data_sources", "carry_out_approved"))
    kestra.outcomes = [OUTCOME]
    supabase.known = {"waiting"}
    supabase.live = ["waiting", "not at Kestra any more"]
    assert look(kestra, supabase) == ["waiting"]


@pytest.mark.parametrize("outcomes", [[], [OUTCOME]], ids=["refused", "known"])
def test_a_known_run_whose_acting_did_nothing_or_is_known_is_not(
    supabase: FakeSupabase, outcomes: list[Json]
) -> None:
    kestra = FakeKestra(execution("waiting", "open_run", "aggregate_data_sources", "carry_out_approved"))
    kestra.outcomes = outcomes
    supabase.known = supabase.with_actions = {"waiting"}
    supabase.live = ["waiting"]
    assert look(kestra, supabase) == []


@pytest.mark.parametrize(
    "harmless",
    [
        execution("failed before its claim", "open_run"),
        execution("was a duplicate", "open_run", "not_this_run"),
        claimed("a replay from the middle has another's claim", claimed=60),
        claimed("one as 2.0 keeps it, after the history of that other", replayed_after=5),
        claimed("purged here long ago", minutes=8 * 24 * 60),
    ],
    ids=lambda each: each.id,
)
def test_what_never_was_on_record_or_may_have_been_purged_is_no_forgetting(
    supabase: FakeSupabase, harmless: Execution
) -> None:
    assert look(FakeKestra(harmless), supabase) == []


def test_a_new_database_knows_nothing_of_an_old_kestras_past(supabase: FakeSupabase) -> None:
    supabase.first_seen_at = NOW
    assert look(FakeKestra(claimed("before it", minutes=1), claimed("long before")), supabase) == []


def test_it_goes_back_page_by_page_until_all_of_a_page_is_known(supabase: FakeSupabase) -> None:
    gone = [claimed(f"gone-{n}") for n in range(60)]
    here = [claimed(f"here-{n}", minutes=60) for n in range(100)]
    kestra = FakeKestra(*gone, *here)
    supabase.known = {each.id for each in here}
    assert len(look(kestra, supabase)) == 60
    assert kestra.pages == [1, 2, 3]


def test_a_run_that_cannot_be_read_stops_nothing_else(supabase: FakeSupabase) -> None:
    class Purged(FakeKestra):
        def get_task_outputs(self, execution: Execution, task_id: str) -> Json:
            raise NotFound("Its outputs were purged.")

    acting = execution("acting", "open_run", "aggregate_data_sources", "carry_out_approved")
    supabase.known = {"acting"}
    supabase.live = ["acting", "purged"]
    assert look(Purged(acting, claimed("gone")), supabase) == ["gone"]


def test_a_kestra_without_the_search_still_runs_everything_else(supabase: FakeSupabase) -> None:
    kestra = FakeKestra(claimed("gone"))
    kestra.refuses_search = True
    assert look(kestra, supabase) == []
