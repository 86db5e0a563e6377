"""Looking back: does Kestra know of anything that this database once knew and knows no more?

A database that was restored from a backup still owes what has been paid since. So before a worker acts
for the first time, and then once a minute, it compares with the one witness that was not restored: runs
at Kestra that have claimed their incident here, and actions that were carried out. Whatever the database
does not know of these puts all workers on hold until a person has looked (docs/restore.md).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Protocol

from supabase import Client

from dashboard.domain.clock import to_iso
from dashboard.domain.execution import Execution
from dashboard.domain.hold import Hold
from dashboard.errors import NotFound, UpstreamError, UpstreamProtocolError
from dashboard.kestra_api.models import ExecutionPage, Instance
from dashboard.store import checks, holds
from dashboard.worker.pace import Trouble
from dashboard.worker.start import FLOW_ID, NAMESPACE
from dashboard.worker.strays import CLAIM_TASK

log = logging.getLogger(__name__)

EVERY_SECONDS = 60.0
# The first task after a claim that was granted: a run that has begun it was on record here.
_CLAIMED_TASK = "aggregate_data_sources"
_ACTING_TASKS = ("carry_out_approved", "auto_remediate_low")
_BEGINNINGS = ("CREATED", "RESTARTED")
_PAGE = 50
_PAGES_AT_FIRST = 20
# Older runs may have been purged here, which is not forgetting.
_BACK = timedelta(days=7)
# Clocks of Kestra and of the database differ, and a new desk on an old Kestra knows nothing of its past.
_SLACK = timedelta(minutes=2)
_REMEMBERED = 50_000
# One run that was purged meanwhile or makes no sense bears no witness, and stops nothing else.
_UNREADABLE = (NotFound, UpstreamProtocolError)


class LookBackApi(Protocol):
    def get_instance(self) -> Instance: ...

    def get_execution(self, execution_id: str) -> Execution: ...

    def search_executions(
        self, *, namespace: str, flow_id: str, states: tuple[str, ...], page: int, size: int
    ) -> ExecutionPage: ...

    def get_task_outputs(self, execution: Execution, task_id: str) -> dict[str, Any]: ...


class LookBack:
    """One per worker. `is_done` once the first look has come to its end."""

    def __init__(self, kestra: LookBackApi, worker: str) -> None:
        self._kestra = kestra
        self._worker = worker
        self._lock = threading.Lock()
        self._judged: dict[str, None] = {}
        self._next = float("-inf")
        self._trouble = Trouble("looking back")
        self.is_done = False

    def first(self, client: Client, now: datetime) -> Hold | None:
        """The first look, if it has not been; the hold that stands then. Raises when a service is away."""
        with self._lock:
            if not self.is_done:
                self._look(client, now, _PAGES_AT_FIRST)
        return holds.find(client)

    def again(self, client: Client, now: datetime) -> Hold | None:
        """The first look or, a minute after the last, another at the newest runs; the hold that stands.

        Raises when a service is away; a later look that Kestra fails is made at the next call.
        """
        with self._lock:
            if not self.is_done:
                self._look(client, now, _PAGES_AT_FIRST)
            elif time.monotonic() >= self._next:
                self._look_later(client, now)
        return holds.find(client)

    def _look_later(self, client: Client, now: datetime) -> None:
        """One list or run that Kestra cannot give must not keep all others from being looked for."""
        try:
            self._look(client, now, 1)
        except UpstreamError as error:
            if error.service != "Kestra":
                raise
            self._trouble.raised(error)
        else:
            self._trouble.passed()

    def _look(self, client: Client, now: datetime, pages: int) -> None:
        instance = self._kestra.get_instance()
        if instance.uuid is not None:
            known = checks.note_kestra(client, instance.uuid, instance.version)
            since = max(known.first_seen_at + _SLACK, now - _BACK)
            found = self._forgotten_runs(client, since, pages)
            if not self.is_done:
                found += self._forgotten_actions(client)
            if found:
                hold = holds.begin(
                    client, self._worker, [{**each, "kestra_instance": instance.uuid} for each in found]
                )
                log.error(
                    "on hold: runs=%d acted=%d are not known here any more; nothing is started or delivered"
                    " until an administrator releases it",
                    hold.runs,
                    hold.acted,
                )
        self.is_done = True
        self._next = time.monotonic() + EVERY_SECONDS

    def _forgotten_runs(self, client: Client, since: datetime, pages: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for page in range(1, pages + 1):
            try:
                executions = self._kestra.search_executions(
                    namespace=NAMESPACE, flow_id=FLOW_ID, states=(), page=page, size=_PAGE
                ).executions
            except UpstreamProtocolError as error:
                # A Kestra without this search still runs everything else.
                log.info("what Kestra knows cannot be searched: %s", error)
                break
            recent = [e.id for e in executions if e.started_at is not None and e.started_at >= since]
            unknown = holds.unknown(client, [each for each in recent if each not in self._judged])
            for execution_id in recent:
                if execution_id in unknown:
                    found += self._judge(execution_id)
            # Newest first: behind a page that is known, or too old, all is known.
            if len(recent) < _PAGE or not unknown:
                break
        while len(self._judged) > _REMEMBERED:
            del self._judged[next(iter(self._judged))]
        return found

    def _judge(self, execution_id: str) -> Iterable[dict[str, Any]]:
        try:
            execution = self._kestra.get_execution(execution_id)
        except _UNREADABLE:
            return
        if _has_claimed(execution):
            yield {**_described(execution), "actions": self._actions(execution)}
        elif execution.is_terminal:
            self._judged[execution_id] = None

    def _forgotten_actions(self, client: Client) -> list[dict[str, Any]]:
        """Runs that are live here and have acted there, and the database knows of no action."""
        acted: dict[str, dict[str, Any]] = {}
        for execution_id in holds.list_live(client):
            try:
                execution = self._kestra.get_execution(execution_id)
            except _UNREADABLE:
                continue
            if actions := self._actions(execution):
                acted[execution_id] = {**_described(execution), "actions": actions}
        forgotten = holds.without_actions(client, list(acted))
        return [each for execution_id, each in acted.items() if execution_id in forgotten]

    def _actions(self, execution: Execution) -> list[dict[str, Any]]:
        """What it says to have carried out, as its acting task printed it."""
        for task_id in _ACTING_TASKS:
            run = execution.task_run(task_id)
            if run is None or run.state != "SUCCESS":
                continue
            try:
                printed = self._kestra.get_task_outputs(execution, task_id).get("vars")
            except _UNREADABLE as error:
                log.warning("execution=%s: what it carried out cannot be read: %s", execution.id, error)
                continue
            outcomes = printed.get("outcomes") if isinstance(printed, dict) else None
            return [each for each in outcomes or () if isinstance(each, dict)]
        return []


def _has_claimed(execution: Execution) -> bool:
    """Whether it was given its incident. A replay from the middle carries the claim of another execution."""
    claim, began = execution.task_run(CLAIM_TASK), _began(execution)
    if claim is None or claim.started_at is None or began is None:
        return False
    return execution.task_run(_CLAIMED_TASK) is not None and claim.started_at >= began


def _began(execution: Execution) -> datetime | None:
    """When its own work began: the history of a replay starts with that of the execution it replays."""
    if execution.original_id in (None, execution.id):
        return execution.started_at
    own = [change.at for change in execution.history if change.state in _BEGINNINGS]
    return max(own, default=execution.started_at)


def _described(execution: Execution) -> dict[str, Any]:
    given = execution.inputs.get("incident_data")
    incident = given if isinstance(given, dict) else {}

    def text(key: str) -> str | None:
        value = incident.get(key)
        return str(value).replace("\0", "") if isinstance(value, str | int) else None

    return {
        "kestra_execution_id": execution.id,
        "state": execution.state,
        "started_at": to_iso(execution.started_at) if execution.started_at else None,
        "external_id": text("id"),
        **{key: text(key) for key in ("run_id", "organization_id", "service", "severity", "title")},
    }
