"""Reconciling: what the flow could not report itself is read from Kestra.

Bounded in calls and in time: a round looks for some forty executions, those looked for longest ago
first, and goes on in the next. Any number of workers share the work, the database hands it out.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Protocol

from supabase import Client

from dashboard.domain.execution import Execution
from dashboard.domain.steps import PAUSE_TASK
from dashboard.errors import NotFound, UpstreamError, UpstreamRejected, UpstreamUnreachable
from dashboard.kestra_api.models import ExecutionPage, Instance
from dashboard.store import checks, runs
from dashboard.store.checks import Check
from dashboard.worker.strays import Strays

log = logging.getLogger(__name__)

EVERY_SECONDS = 5
_AT_ONCE = 4
_A_ROUND = 40
_ROUND_SECONDS = 4.0
# The flow reports its own end in `afterExecution`, with more to say than we can see.
_GRACE = timedelta(seconds=5)
# A kill does not interrupt an HTTP call, and one that met a retry never ends (kestra#19679).
_KILLING_AT_MOST = timedelta(seconds=45)
_TROUBLE_AT_LEAST = timedelta(seconds=20)


class ReconcileApi(Protocol):
    def get_instance(self) -> Instance: ...

    def get_execution(self, execution_id: str) -> Execution: ...

    def search_executions(
        self, *, namespace: str, flow_id: str, states: tuple[str, ...], page: int, size: int
    ) -> ExecutionPage: ...


class Reconciler:
    """Compares live executions with Kestra and stores what is newer there."""

    def __init__(self, kestra: ReconcileApi) -> None:
        self._kestra = kestra
        self._strays = Strays(kestra)
        self._left: list[Check] = []
        self._trouble_since: datetime | None = None

    @contextmanager
    def noting_trouble(self, client: Client, now: datetime) -> Iterator[None]:
        """Around all that asks Kestra in a round: a Kestra that cannot be used for a while is an alarm."""
        try:
            yield
        except (UpstreamUnreachable, UpstreamRejected) as error:
            if error.service == "Kestra":
                self._note_trouble(client, error, now)
            raise
        self._trouble_since = None

    def run_once(self, client: Client, now: datetime) -> int:
        """One round; how many executions had news. Raises when a service cannot be used."""
        instance = self._kestra.get_instance()
        # What the last round did not come to was handed out to this worker already.
        taken = {check.kestra_execution_id: check for check in self._left}
        if len(taken) < _A_ROUND:
            fresh = checks.take(client, limit=_A_ROUND, every_seconds=EVERY_SECONDS)
            taken |= {check.kestra_execution_id: check for check in fresh}
        ours = [check for check in taken.values() if _may_be_of(instance, check)]
        news = 0
        for check, execution in self._look_for(ours):
            news += self._compare(client, check, execution, instance, now)
        if instance.uuid is not None:
            known = checks.note_kestra(client, instance.uuid, instance.version)
            # With runs missing at this address it is not certain that what runs here is ours at all.
            if not known.missed:
                news += self._strays.run_once(client, instance.uuid, known.first_seen_at, now)
        return news

    def _look_for(self, wanted: list[Check]) -> Iterable[tuple[Check, Execution | None]]:
        """Each with what Kestra has, None for one it does not know; when the time is up, the rest is left."""
        end = time.monotonic() + _ROUND_SECONDS
        left: list[Check] = []
        # A round that fails leaves nothing: one run that cannot be read would be the first of every round.
        self._left = []

        def look(check: Check) -> tuple[Check, Execution | None] | None:
            if time.monotonic() >= end:
                left.append(check)
                return None
            try:
                return check, self._kestra.get_execution(check.kestra_execution_id)
            except NotFound:
                return check, None

        if not wanted:
            return
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="reconcile") as pool:
            yield from filter(None, pool.map(look, wanted))
        self._left = left

    def _compare(
        self, client: Client, check: Check, execution: Execution | None, instance: Instance, now: datetime
    ) -> bool:
        if execution is None:
            return self._note_missing(client, check, instance)
        if self._has_ended(client, execution, now):
            return True
        is_new = len(execution.history) > (check.history_length or 0)
        if is_new and _was_resumed(execution) and checks.note_resumed(client, execution.id):
            log.warning("execution=%s was resumed in Kestra before anybody decided", execution.id)
        if is_new or check.missing_times or (check.kestra_instance is None and instance.uuid is not None):
            runs.note(client, execution, kestra_instance=instance.uuid)
            return True
        return False

    def _has_ended(self, client: Client, execution: Execution, now: datetime) -> bool:
        if execution.ended_at is not None and now - execution.ended_at >= _GRACE:
            runs.finish(client, execution, _errors(execution))
            log.info("execution=%s state=%s finished for the flow", execution.id, execution.state)
            return True
        last = execution.history[-1].at if execution.history else now
        if execution.state == "KILLING" and now - last >= _KILLING_AT_MOST:
            stopped = "It was told to stop and Kestra never said that it had; nothing more begins for it."
            runs.finish(client, execution, [stopped], state="KILLED")
            log.warning("execution=%s is KILLING for ever and counts as killed", execution.id)
            return True
        return False

    def _note_missing(self, client: Client, check: Check, instance: Instance) -> bool:
        if instance.uuid is None:
            return False
        lost = checks.note_missing(client, check.kestra_execution_id, kestra_instance=instance.uuid)
        if lost or not check.missing_times:
            log.warning(
                "execution=%s is not known to Kestra %s%s",
                check.kestra_execution_id,
                instance.uuid,
                ", and has not been for a minute: it is lost" if lost else "",
            )
        return lost

    def _note_trouble(self, client: Client, error: UpstreamError, now: datetime) -> None:
        self._trouble_since = self._trouble_since or now
        # A restart of Kestra is over sooner.
        if now - self._trouble_since >= _TROUBLE_AT_LEAST:
            checks.note_kestra_trouble(client, what=error.what, means=error.means, to_do=error.to_do)


def _may_be_of(instance: Instance, check: Check) -> bool:
    """False for what another Kestra runs: this one's "not known" would say nothing about it."""
    return check.kestra_instance is None or check.kestra_instance == instance.uuid


def _was_resumed(execution: Execution) -> bool:
    """Whether the pause was ended by a resume, not by a kill or its own deadline."""
    run = execution.task_run(PAUSE_TASK)
    return run is not None and run.was_paused and run.state == "SUCCESS"


def _errors(execution: Execution) -> list[str]:
    """Which steps failed. Not their messages: those may hold anything, secrets too."""
    failed = [run.task_id for run in execution.task_runs if run.state in ("FAILED", "KILLED")]
    return [f"The step {task_id} did not succeed." for task_id in dict.fromkeys(failed)]
