"""What people ask of a run, from the function they call to the end of the execution, on the real engine."""

from collections.abc import Iterator

import pytest

from dashboard.worker.loop import Worker
from tests.flow.handler import Handler
from tests.support.until import until

pytestmark = pytest.mark.engine


@pytest.fixture
def worker(handler: Handler) -> Iterator[Worker]:
    with Worker(handler.worker_settings) as worker:
        yield worker


def work_until_settled(handler: Handler, worker: Worker) -> None:
    """Let the worker pay until nothing is owed any more."""

    def nothing_owed() -> bool:
        worker.tick()
        return handler.desk.rows("select id from outbox where status = 'owed'") == []

    until(nothing_owed, "nothing is owed", 60)


def test_a_run_that_waits_is_killed_on_request_and_its_proposal_cancelled(
    handler: Handler, worker: Worker
) -> None:
    before = handler.restarts()
    execution = handler.file("MEDIUM")
    handler.wait(execution, "PAUSED")
    run = str(handler.execution(execution)["id"])
    asked = handler.desk.by(handler.desk.rita, "request_command", kind="kill", id=run, reason="Wrong service")
    work_until_settled(handler, worker)
    assert handler.wait(execution, "KILLED") == "KILLED"
    settled = handler.desk.row("select status, attempts from outbox where id = %s", asked["command_id"])
    assert settled == {"status": "done", "attempts": 0}
    approval = handler.approval(execution)
    assert (approval["status"], approval["decided_at"]) == ("cancelled", None)
    assert handler.incident(execution)["needs_human"] is True
    assert handler.restarts() == before


def test_a_severity_raised_while_it_waits_kills_the_run_and_another_reaches_its_branch(
    handler: Handler, worker: Worker
) -> None:
    first = handler.file("MEDIUM")
    handler.wait(first, "PAUSED")
    incident = handler.incident(first)
    raised = handler.desk.by(
        handler.desk.ana,
        "update_incident",
        incident_id=str(incident["id"]),
        kind="severity",
        payload={"severity": "CRITICAL"},
        version=incident["version"],
    )
    work_until_settled(handler, worker)
    assert handler.wait(first, "KILLED") == "KILLED"
    approval = handler.approval(first)
    assert (approval["status"], approval["cause"]) == ("cancelled", "The severity was raised to CRITICAL.")

    query = "select kestra_execution_id from executions where run_id = %s and owns"
    second = handler.desk.row(query, raised["run_id"])["kestra_execution_id"]
    assert handler.wait(second) == "SUCCESS"
    assert handler.incident(second)["id"] == incident["id"]
    assert handler.escalations(second) == ["The severity is CRITICAL: a person decides what is done."]
    assert handler.action_runs(first) == []


def test_a_failed_run_goes_on_under_its_id_when_restarted(handler: Handler, worker: Worker) -> None:
    handler.misbehave(handler.model_url, "schema_violation")
    execution = handler.file("HIGH")
    assert handler.wait(execution) == "FAILED"
    run = str(handler.execution(execution)["id"])
    handler.desk.by(handler.desk.rita, "request_command", kind="restart", id=run, reason="The model is back")
    work_until_settled(handler, worker)
    until(lambda: "RESTARTED" in handler.history(execution), f"{execution} is restarted")
    # What the model wrote stays unusable, and the end stays honest.
    assert handler.wait(execution) == "FAILED"
