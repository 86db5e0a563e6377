"""Reconciling: what the flow could not report itself is read from Kestra."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from supabase import Client

from dashboard.domain.execution import Execution, ExecutionRecord
from dashboard.errors import NotFound
from dashboard.store import runs

log = logging.getLogger(__name__)

# The flow reports its own end in `afterExecution`, with more to say than we can see.
_GRACE = timedelta(seconds=5)


class ReconcileApi(Protocol):
    def get_execution(self, execution_id: str) -> Execution: ...


class Reconciler:
    """Compares unfinished executions with Kestra and stores what is newer there."""

    def __init__(self, kestra: ReconcileApi, instance_uuid: Callable[[], str | None]) -> None:
        self._kestra = kestra
        self._instance_uuid = instance_uuid

    def run_once(self, client: Client, now: datetime) -> int:
        """Look at every unfinished execution; how many had news. Raises when a service is unreachable."""
        unfinished = runs.list_unfinished(client)
        if not unfinished:
            return 0
        instance = self._instance_uuid()
        news = 0
        for record in unfinished:
            if record.kestra_instance and instance and record.kestra_instance != instance:
                continue
            try:
                execution = self._kestra.get_execution(record.kestra_execution_id)
            except NotFound:
                log.warning("execution=%s is not known to Kestra", record.kestra_execution_id)
                continue
            news += self._compare(client, record, execution, instance, now)
        return news

    def _compare(
        self,
        client: Client,
        record: ExecutionRecord,
        execution: Execution,
        instance: str | None,
        now: datetime,
    ) -> bool:
        ended_at = execution.ended_at
        if ended_at is not None and now - ended_at >= _GRACE:
            runs.finish(client, execution, _errors(execution))
            log.info("execution=%s state=%s finished for the flow", execution.id, execution.state)
            return True
        if record.kestra_instance is None or len(execution.history) > (record.history_length or 0):
            runs.note(client, execution, kestra_instance=instance)
            return True
        return False


def _errors(execution: Execution) -> list[str]:
    """Which steps failed. Not their messages: those may hold anything, secrets too."""
    failed = [run.task_id for run in execution.task_runs if run.state in ("FAILED", "KILLED")]
    return [f"The step {task_id} did not succeed." for task_id in dict.fromkeys(failed)]
