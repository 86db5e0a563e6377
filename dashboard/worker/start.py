"""Starting a run: one webhook call, and then certainty that its execution has claimed the incident.

The claim settles the row by itself (`open_run`), so a row that is still here was not claimed yet.
A second execution of the same start does no harm, it ends as a duplicate; what must not happen is
that a start is lost, or sent again while the first call may still be on its way.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from dashboard.domain.clock import parse_instant, to_iso
from dashboard.domain.execution import Execution, ExecutionRecord, state_word
from dashboard.domain.incident import Incident, webhook_payload
from dashboard.errors import IncidentScribeError, NotFound, UpstreamUnreachable
from dashboard.store.outbox import Leased, Settlement

NAMESPACE = "incident.response"
FLOW_ID = "incident-handler"

CLAIM_SECONDS = 15.0
# A queue at Kestra is shorter than this; one that nobody works off is told.
_PATIENCE = timedelta(minutes=1)
_LOOK_SECONDS = 2.0


class StartApi(Protocol):
    def start_by_webhook(self, namespace: str, flow_id: str, key: str, payload: dict[str, object]) -> str: ...

    def get_execution(self, execution_id: str) -> Execution: ...


class Starter:
    """Decides what to do with one intended start; settles nothing itself."""

    def __init__(
        self,
        kestra: StartApi,
        webhook_key: str,
        get_incident: Callable[[str], Incident],
        find_record: Callable[[str], ExecutionRecord | None],
    ) -> None:
        self._kestra = kestra
        self._webhook_key = webhook_key
        self._get_incident = get_incident
        self._find_record = find_record

    def attempt(self, owed: Leased, now: datetime) -> Settlement:
        """One step towards a claimed run. Raises errors of our tree that are not about the start."""
        sent_at = owed.detail.get("sent_at")
        if sent_at is None:
            return self._send(owed, now)
        execution_id = owed.detail.get("kestra_execution_id")
        waited = now - parse_instant(sent_at)
        left = timedelta(seconds=CLAIM_SECONDS) - waited
        if execution_id is None:
            # No answer came, so an execution may exist that we cannot ask about.
            if left > timedelta(0):
                return Settlement.waiting(left.total_seconds())
            return self._send(owed, now)
        return self._look(execution_id, waited)

    def _send(self, owed: Leased, now: datetime) -> Settlement:
        incident = self._get_incident(owed.incident_id or "")
        payload = webhook_payload(incident, run_id=owed.id)
        try:
            execution_id = self._kestra.start_by_webhook(NAMESPACE, FLOW_ID, self._webhook_key, payload)
        except UpstreamUnreachable as error:
            if error.may_have_arrived:
                return Settlement.retry(str(error), sent_at=to_iso(now), kestra_execution_id=None)
            return Settlement.retry(str(error), sent_at=None)
        except IncidentScribeError as error:
            return Settlement.retry(f"{error} Check the flow: incidentscribe deploy.", sent_at=None)
        return Settlement.waiting(_LOOK_SECONDS, sent_at=to_iso(now), kestra_execution_id=execution_id)

    def _look(self, execution_id: str, waited: timedelta) -> Settlement:
        try:
            execution = self._kestra.get_execution(execution_id)
        except NotFound:
            if waited < timedelta(seconds=CLAIM_SECONDS):
                return Settlement.waiting(_LOOK_SECONDS)
            return _again(execution_id, f"Kestra no longer knows the execution {execution_id}.")
        if not execution.is_terminal:
            if waited <= _PATIENCE:
                return Settlement.waiting(_LOOK_SECONDS)
            # It may still run, so it is only looked for again, never sent again.
            return Settlement.retry(
                f"The execution {execution_id} is {execution.state} and has not claimed the incident."
                " It is not started a second time; incidentscribe doctor --probe says whether Kestra carries"
                " out what it takes, and reaches Supabase."
            )
        # Ended, and the row is still owed: it failed before its claim, or its claim was refused.
        record = self._find_record(execution_id)
        if record is not None and record.owns:
            # It claimed between our taking the row and this look.
            return Settlement.done()
        why = record.problem if record is not None and record.problem else None
        label = state_word(execution.state).label.lower()
        return _again(
            execution_id, why or f"The execution {execution_id} {label} before it claimed the incident."
        )


def _again(execution_id: str, why: str) -> Settlement:
    return Settlement.retry(why, sent_at=None, kestra_execution_id=None, last_execution_id=execution_id)
