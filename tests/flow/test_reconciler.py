"""What happens at Kestra past the desk, found by the desk's worker on the real engine."""

from collections.abc import Iterator
from functools import partial

import pytest

from dashboard.domain.clock import utc_now
from dashboard.domain.execution import Execution
from dashboard.kestra_api.client import KestraApi
from dashboard.store.connection import as_service, new_http_client
from dashboard.worker.loop import Worker
from dashboard.worker.reconcile import Reconciler
from tests.flow.case import SECONDS, Batch, Case, Story, batch
from tests.flow.handler import TERMINAL, Handler
from tests.support.until import until

pytestmark = pytest.mark.engine

STORIES: dict[str, Story] = {}


def story(play: Story) -> Story:
    STORIES[play.__name__] = play
    return play


@pytest.fixture(scope="module")
def cases(handler: Handler, request: pytest.FixtureRequest) -> Iterator[Batch]:
    with Worker(handler.worker_settings) as worker:
        worker.tick_reconcile()
        # Whatever failed in earlier tests was somebody else's.
        handler.desk.rows("update kestra_instances set first_seen_at = now() returning 1")
        worker.start()
        with batch(handler, STORIES, request) as running:
            yield running
        worker.stop()


def live_run(case: Case) -> str:
    """The execution that handles the case's incident now."""
    query = (
        "select kestra_execution_id from executions e join incidents i on i.id = e.incident_id"
        " where i.external_id = %s and e.owns"
    )

    def claimed() -> str | None:
        found = case.desk.rows(query, case.name)
        return str(found[0]["kestra_execution_id"]) if found else None

    return until(claimed, f"{case.name} is handled", SECONDS, 0.5)


@story
def failed_before_its_claim(case: Case) -> None:
    down = case.supabase("rpc/open_run", f'"id":"{case.name}"')
    case.file("HIGH")
    until(lambda: case.handler.state(case.execution) == "FAILED", "the claim has failed", SECONDS, 0.5)
    down.over()
    case.first = case.execution
    case.execution = live_run(case)
    case.reaches("SUCCESS")


def test_an_incident_whose_run_failed_before_its_claim_is_filed_and_handled_by_another(cases: Batch) -> None:
    case = cases["failed_before_its_claim"]
    assert case.execution != case.first
    assert (case.incident["source"], case.incident["occurrences"]) == ("webhook", 1)
    assert len(case.incident["logs"]) == 30
    first = case.handler.execution(case.first)
    assert (first["owns"], first["state"]) == (False, "FAILED")
    assert len(case.escalations) == 1


@story
def killed_before_its_claim(case: Case) -> None:
    held = case.supabase("rpc/open_run", f'"id":"{case.name}"', how="hold_and_drop")
    case.file("HIGH")
    case.at("open_run")
    case.handler.kill(case.execution)
    held.over()
    case.is_reported("KILLED")


def test_one_that_was_killed_before_its_claim_is_filed_and_left_to_people(cases: Batch) -> None:
    case = cases["killed_before_its_claim"]
    assert case.row["owns"] is False
    assert case.why == "Its run was killed in Kestra before it could claim the incident; nothing was done."
    assert case.desk.rows("select 1 from outbox where incident_id = %s", case.incident["id"]) == []


@story
def started_by_hand(case: Case) -> None:
    case.execution = case.handler.start_by_hand(case.payload("HIGH"))
    # It would be over before the reconciler looks at it for the first time.
    held = case.supabase("rpc/finish_run", how="hold")
    until(lambda: live_run(case) and case.row["kestra_instance"], "it is found in Kestra", SECONDS, 0.5)
    held.over()
    case.reaches("SUCCESS")


def test_one_that_is_started_by_hand_in_kestra_is_an_incident_like_any_other(cases: Batch) -> None:
    case = cases["started_by_hand"]
    assert (case.incident["source"], case.incident["external_id"]) == ("webhook", case.name)
    assert case.row["owns"] is True
    assert case.row["kestra_instance"] is not None
    assert len(case.escalations) == 1


@story
def replayed(case: Case) -> None:
    submitted = case.desk.submit(**case.payload("HIGH"))
    case.first = case.started(submitted)
    case.reaches("SUCCESS")
    case.execution = case.handler.replay(case.first)
    case.reaches("SUCCESS")


def test_a_replay_of_the_desks_run_ends_as_a_duplicate_and_does_nothing(cases: Batch) -> None:
    case = cases["replayed"]
    assert (case.row["owns"], case.row["problem"]) == (False, f"Execution {case.first} owns this run.")
    assert case.escalations == []
    assert case.incident["occurrences"] == 1


@story
def acted_and_replayed(case: Case) -> None:
    case.catalogue(auto_remediate=True)
    case.first = case.file("LOW")
    case.reaches("SUCCESS")
    case.actions_before = case.actions
    # Found not to be over after all; the replay then has the incident to itself.
    version = case.incident["version"]
    case.desk.by(
        case.desk.rita,
        "update_incident",
        incident_id=str(case.incident["id"]),
        kind="reopen",
        payload={"text": "it came back"},
        version=version,
    )
    case.execution = case.handler.replay(case.first)
    case.reaches("SUCCESS")


def test_a_replay_of_a_run_that_acted_by_itself_does_not_act_again(cases: Batch) -> None:
    case = cases["acted_and_replayed"]
    assert [action["status"] for action in case.actions_before] == ["acted"]
    assert (case.actions, case.effects) == ([], 1)
    assert case.escalations == ["It was tried before for this incident."]


@story
def acted_and_replayed_from_the_act(case: Case) -> None:
    """In Kestra's UI, where the new execution has the claim and the proposal of the old one as its own."""
    case.catalogue()
    case.file("MEDIUM")
    case.decided()
    case.reaches("SUCCESS")
    case.actions_before = case.actions
    again = case.handler.replay(case.execution, "carry_out_approved")
    until(lambda: case.handler.state(again) in TERMINAL, "the replay has ended", SECONDS, 0.5)
    case.failed_with = (case.handler.state(again), case.handler.logs(again))


def test_a_replay_from_the_middle_never_acts_and_fails_saying_why(cases: Batch) -> None:
    case = cases["acted_and_replayed_from_the_act"]
    state, log = case.failed_with
    assert state == "FAILED"
    assert "This execution never claimed an incident; open_run comes first." in log
    assert [action["status"] for action in case.actions_before] == ["acted"]
    assert (case.actions, case.effects) == (case.actions_before, 1)
    assert (case.approval["status"], case.approval["outcome"]) == ("approved", "acted")
    assert (case.incident["status"], case.incident["needs_human"]) == ("resolved", False)


@story
def deleted_in_kestra(case: Case) -> None:
    case.catalogue()
    case.file("MEDIUM")
    case.reaches("PAUSED")
    until(lambda: case.row["kestra_instance"], "it is known which Kestra has it", SECONDS, 0.5)
    case.handler.delete(case.execution)
    query = (
        "select c.missing_times from private.execution_checks c join executions e on e.id = c.execution_id"
        " where e.kestra_execution_id = %s"
    )

    def missed(times: int) -> bool:
        return [row["missing_times"] for row in case.desk.rows(query, case.execution)] == [times]

    for times in (1, 2, 3):
        until(partial(missed, times), f"it was missed {times} times", SECONDS, 0.5)
        assert case.row["ended_at"] is None
        # Time passes for this one; the others are in no hurry.
        case.desk.rows(
            "update private.execution_checks set missing_at = missing_at - interval '21 seconds',"
            " missing_since = missing_since - interval '21 seconds'"
            " where execution_id = (select id from executions where kestra_execution_id = %s) returning 1",
            case.execution,
        )
    case.is_reported("LOST")


def test_one_that_kestra_no_longer_knows_is_lost_after_a_minute(cases: Batch) -> None:
    case = cases["deleted_in_kestra"]
    assert case.reported_by == ["worker"]
    assert case.why.startswith("The run is lost: the Kestra that ran it no longer knows it.")
    assert case.approval["status"] == "cancelled"
    assert (case.incident["status"], case.effects) == ("investigating", 0)


@story
def of_another_kestra(case: Case) -> None:
    case.execution = f"elsewhere-{case.name}"
    case.desk.by_flow("open_run", payload=case.payload("MEDIUM"), kestra_execution_id=case.execution)
    case.desk.by_flow(
        "note_execution", kestra_execution_id=case.execution, kestra_instance=f"uuid-of-{case.name}", seen=2
    )
    query = "select means from alarms where kind = 'kestra_other' and subject = %s and cleared_at is null"
    [case.alarm] = until(
        lambda: case.desk.rows(query, f"uuid-of-{case.name}"), "the alarm is raised", SECONDS, 0.5
    )
    case.desk.by(
        case.desk.ada,
        "declare_kestra_gone",
        kestra_instance=f"uuid-of-{case.name}",
        reason="the test is over",
    )
    case.is_reported("LOST")
    until(lambda: case.desk.rows(query, f"uuid-of-{case.name}") == [], "the alarm is over", SECONDS, 0.5)


def test_runs_of_another_kestra_raise_an_alarm_until_an_admin_says_that_it_is_gone(cases: Batch) -> None:
    case = cases["of_another_kestra"]
    assert "Nothing of them is cancelled" in case.alarm["means"]
    assert case.why == "The run is lost: Ada said that the Kestra that ran it is gone: the test is over"


def test_a_round_asks_kestra_a_bounded_number_of_times(handler: Handler) -> None:
    """However many runs are live; those left out have their turn in the next rounds."""
    ids = [f"many-{n}" for n in range(90)]
    for execution in ids:
        handler.desk.by_flow(
            "open_run",
            payload={"id": execution, "severity": "HIGH", "title": execution},
            kestra_execution_id=execution,
        )
    settings = handler.worker_settings
    counted: list[str] = []

    class Counting(KestraApi):
        def get_execution(self, execution_id: str) -> Execution:
            counted.append(execution_id)
            return super().get_execution(execution_id)

    try:
        with Counting(settings) as kestra, new_http_client() as http:
            Reconciler(kestra).run_once(as_service(settings, http), utc_now())
        looked_for = [execution for execution in counted if execution in ids]
        assert 0 < len(looked_for) <= 40
        # And some that ended unknown to the desk, as those of other tests.
        assert len(counted) <= 60
        assert len(set(counted)) == len(counted)
    finally:
        handler.desk.rows(
            "update executions set ended_at = now(), state = 'LOST'"
            " where kestra_execution_id = any(%s) returning 1",
            ids,
        )
