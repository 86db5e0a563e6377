"""Yesterday's dump against today's Kestra: the worker acts on nothing until a person has looked."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from dashboard.worker.loop import Worker
from tests.flow.handler import FLOW, Handler
from tests.support.backup import dump, restore, wipe
from tests.support.until import until

pytestmark = pytest.mark.engine

SECONDS = 120


class Restored:
    """What was before, what was done in the time that was lost, and workers of today."""

    def __init__(self, handler: Handler, folder: Path, new_worker: Callable[[], Worker]) -> None:
        self.handler = handler
        self.desk = handler.desk
        self._new_worker = new_worker
        worker = new_worker()
        self.pay(worker)
        worker.tick_reconcile()
        # A desk that has known this Kestra for long.
        self.desk.rows(
            "update kestra_instances set first_seen_at = first_seen_at - interval '1 day' returning uuid"
        )
        self.acted, self.waiting = handler.file("MEDIUM"), handler.file("MEDIUM")
        for execution in (self.acted, self.waiting):
            handler.wait(execution, "PAUSED", seconds=SECONDS)
        self.owed = self.desk.submit(severity="LOW", logs=["ERROR connection pool exhausted"] * 9)

        database, file = handler.postgres.database(), folder / "yesterday.dump"
        dump(database, file)
        self._work_that_will_be_lost(worker)
        self.executions = set(handler.executions(FLOW))
        self.restarts = handler.restarts()
        wipe(database)
        restore(database, file)

    def _work_that_will_be_lost(self, worker: Worker) -> None:
        self.desk.decide(self.desk.ana, self.handler.approval(self.acted))
        self.lost = self.handler.file("HIGH")
        self.pay(worker)
        query = "select kestra_execution_id from executions where run_id = %s and owns"
        self.started = str(self.desk.row(query, self.owed["run_id"])["kestra_execution_id"])
        for execution in (self.acted, self.lost, self.started):
            assert self.handler.wait(execution, seconds=SECONDS) == "SUCCESS"
            assert self.handler.incident(execution)["status"] in ("resolved", "investigating")

    def new_worker(self) -> Worker:
        return self._new_worker()

    def pay(self, worker: Worker) -> None:
        """Let a worker pay until nothing is owed any more."""

        def nothing_owed() -> bool:
            worker.tick()
            return self.desk.rows("select id from outbox where status = 'owed' and kind <> 'notice'") == []

        until(nothing_owed, "nothing is owed", SECONDS)

    def outbox(self) -> list[dict[str, Any]]:
        return self.desk.rows("select id, status, attempts, lease_token, detail from outbox order by id")


@pytest.fixture(scope="module")
def restored(handler: Handler, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Restored]:
    handler.desk.configure("services", handler.desk.service, auto_remediate=True)
    with ExitStack() as workers:
        yield Restored(
            handler,
            tmp_path_factory.mktemp("restored"),
            lambda: workers.enter_context(Worker(handler.worker_settings)),
        )
    handler.desk.configure("services", handler.desk.service, auto_remediate=False)
    if handler.desk.by_flow("current_hold") is not None:  # nobody else's tests shall wait for it
        handler.desk.by(handler.desk.ada, "release_hold", reason="These tests are over.")


def test_it_lists_what_the_database_does_not_know_any_more_acts_on_nothing_and_goes_on_when_released(
    restored: Restored,
) -> None:
    handler, desk = restored.handler, restored.desk
    before = restored.outbox()
    worker = restored.new_worker()
    for _ in range(3):
        worker.tick()
        worker.tick_reconcile()
        worker.tick_notices()

    # Nothing was sent, nothing was settled, nothing was taken over from Kestra.
    assert restored.outbox() == before
    assert set(handler.executions(FLOW)) == restored.executions
    assert handler.restarts() == restored.restarts
    assert handler.approval(restored.acted)["status"] == "pending"

    listed = {row["kestra_execution_id"]: row for row in desk.rows("select * from forgotten_runs")}
    assert set(listed) == {restored.acted, restored.lost, restored.started}
    assert [listed[each]["known"] for each in (restored.acted, restored.lost, restored.started)] == [
        True,
        False,
        False,
    ]
    assert str(listed[restored.started]["run_id"]) == restored.owed["run_id"]
    for execution in (restored.acted, restored.started):
        [action] = listed[execution]["actions"]
        assert (action["action_key"], action["outcome"], action["verified"]) == (
            "restart_service",
            "acted",
            True,
        )
    assert listed[restored.lost]["actions"] == []

    answer = desk.by(desk.ada, "release_hold", reason="The dump of yesterday; looked at all three")
    assert answer == {"withdrawn_starts": 1, "cancelled_approvals": 1}
    restored.pay(worker)
    worker.tick_reconcile()
    # What was done in the lost time is not done again, and the incident says what is known of it.
    assert set(handler.executions(FLOW)) == restored.executions
    assert handler.restarts() == restored.restarts
    incident = desk.row("select * from incidents where id = %s", restored.owed["incident_id"])
    assert restored.started in incident["needs_human_reason"]
    assert handler.approval(restored.acted)["status"] == "cancelled"

    # What waited then waits still, and can be decided.
    desk.decide(desk.ana, handler.approval(restored.waiting))
    restored.pay(worker)
    assert handler.wait(restored.waiting, seconds=SECONDS) == "SUCCESS"
    assert handler.incident(restored.waiting)["status"] == "resolved"
    assert handler.restarts() == restored.restarts + 1

    # Whoever was told once is not asked again.
    restored.new_worker().tick()
    assert desk.by_flow("current_hold") is None
