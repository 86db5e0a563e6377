"""Delivering a decision: Kestra's pause is ended, and seen to have ended.

What was decided never travels with the resume, only its id, for the record; the flow asks Supabase.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Protocol

from dashboard.domain.execution import Execution
from dashboard.domain.steps import PAUSE_TASK
from dashboard.errors import Conflict, NotFound
from dashboard.store.outbox import Leased, Settlement

_LOOK_SECONDS = 1.0
# A decision can come before the flow has reached its pause, but not by much.
_PATIENCE = timedelta(minutes=1)


class DeliverApi(Protocol):
    def get_execution(self, execution_id: str) -> Execution: ...

    def resume(self, execution_id: str, inputs: Mapping[str, str]) -> None: ...


class Deliverer:
    """Decides what to do with one decision that is owed to Kestra; settles nothing itself."""

    def __init__(self, kestra: DeliverApi, instance_uuid: Callable[[], str | None]) -> None:
        self._kestra = kestra
        self._instance_uuid = instance_uuid

    def attempt(self, owed: Leased, now: datetime) -> Settlement:
        """One step towards a pause that has ended."""
        execution_id = str(owed.payload["kestra_execution_id"])
        asked = owed.payload.get("kestra_instance")
        answers = self._instance_uuid()
        if asked and answers and asked != answers:
            return Settlement.retry(
                f"The decision belongs to the Kestra {asked}, but {answers} answers at this address."
            )
        try:
            execution = self._kestra.get_execution(execution_id)
        except NotFound:
            return Settlement.retry(f"Kestra does not know the execution {execution_id}.")
        if not _is_waiting(execution):
            return _settle_unpaused(owed, execution, now)
        try:
            self._kestra.resume(execution_id, {"decision_id": str(owed.payload["approval_id"])})
        except Conflict:
            # Somebody else resumed it, or the pause was only just being entered: look again.
            return Settlement.waiting(_LOOK_SECONDS)
        execution = self._kestra.get_execution(execution_id)
        if _has_ended(execution):
            return Settlement.done(state=execution.state)
        return Settlement.waiting(_LOOK_SECONDS)


def _is_waiting(execution: Execution) -> bool:
    pause = execution.task_run(PAUSE_TASK)
    return execution.is_paused and pause is not None and pause.state == "PAUSED"


def _has_ended(execution: Execution) -> bool:
    return execution.is_terminal or execution.pause_ended(PAUSE_TASK)


def _settle_unpaused(owed: Leased, execution: Execution, now: datetime) -> Settlement:
    if _has_ended(execution):
        return Settlement.done(state=execution.state)
    if now - owed.created_at > _PATIENCE:
        return Settlement.retry(
            f"The execution {execution.id} is {execution.state} and has not reached its pause."
        )
    return Settlement.waiting(_LOOK_SECONDS)
