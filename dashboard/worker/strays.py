"""Strays: executions that ended at Kestra before they could claim an incident here.

Whoever called the webhook was told "accepted"; if Supabase was away then, only Kestra still has the
incident. Its executions are searched, newest first, and what never reported is filed from its input.
"""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta
from typing import Protocol

from supabase import Client

from dashboard.domain.execution import Execution
from dashboard.errors import Conflict, NotFound, UpstreamProtocolError
from dashboard.kestra_api.models import ExecutionPage
from dashboard.store import checks
from dashboard.worker.start import FLOW_ID, NAMESPACE

log = logging.getLogger(__name__)

CLAIM_TASK = "open_run"
EVERY_SECONDS = 15.0
_ENDED = ("FAILED", "KILLED", "CANCELLED", "WARNING")
_PAGE = 50
_PAGES_A_ROUND = 3
_LOOKS_A_ROUND = 20
_BACK = timedelta(days=7)
# Its own report may still be on its way.
_GRACE = timedelta(seconds=10)
_REMEMBERED = 50_000


class SearchApi(Protocol):
    def get_execution(self, execution_id: str) -> Execution: ...

    def search_executions(
        self, *, namespace: str, flow_id: str, states: tuple[str, ...], page: int, size: int
    ) -> ExecutionPage: ...


class Strays:
    """Walks the ended executions of the flow, page by page over the rounds, each judged once."""

    def __init__(self, kestra: SearchApi, *, every_seconds: float = EVERY_SECONDS) -> None:
        self._kestra = kestra
        self._every_seconds = every_seconds
        self._judged: dict[str, None] = {}
        self._unread_page: int | None = None
        self._next = float("-inf")

    def run_once(self, client: Client, instance: str, first_seen_at: datetime, now: datetime) -> int:
        """One round, if it is due; how many were adopted.

        What began before this desk first saw the Kestra belongs to somebody else.
        """
        if time.monotonic() < self._next:
            return 0
        self._next = time.monotonic() + self._every_seconds
        try:
            ended = self._ended_since(max(first_seen_at, now - _BACK), now)
        except UpstreamProtocolError as error:
            # A Kestra without this search still runs everything else.
            log.info("strays cannot be searched: %s", error)
            return 0
        unknown = checks.unknown(client, [execution.id for execution in ended])
        adopted = looks = 0
        for execution in ended:
            if execution.id in unknown:
                if looks == _LOOKS_A_ROUND:
                    self._next = time.monotonic()
                    break
                looks += 1
                adopted += self._adopt(client, execution.id, instance)
            self._judged[execution.id] = None
        while len(self._judged) > _REMEMBERED:
            del self._judged[next(iter(self._judged))]
        return adopted

    def _ended_since(self, since: datetime, now: datetime) -> list[Execution]:
        """Those not judged yet, from the newest pages on, and where the last round stopped."""
        found: list[Execution] = []
        page = 1
        for _ in range(_PAGES_A_ROUND):
            executions = self._kestra.search_executions(
                namespace=NAMESPACE, flow_id=FLOW_ID, states=_ENDED, page=page, size=_PAGE
            ).executions
            fresh = [execution for execution in executions if execution.id not in self._judged]
            found += [e for e in fresh if e.ended_at is not None and now - e.ended_at >= _GRACE]
            oldest = executions[-1].started_at if executions else None
            if len(executions) < _PAGE or (oldest is not None and oldest < since):
                self._unread_page = None
                break
            if fresh:
                page += 1
            elif self._unread_page is not None and self._unread_page > page:
                page = self._unread_page
            else:
                break
        else:
            self._unread_page = page
        return [e for e in found if e.started_at is not None and e.started_at >= since]

    def _adopt(self, client: Client, execution_id: str, instance: str) -> bool:
        try:
            execution = self._kestra.get_execution(execution_id)
        except NotFound:
            return False
        claim = execution.task_run(CLAIM_TASK)
        if claim is not None and claim.state == "SUCCESS":
            # A replay from the middle has the claim of another execution, or nobody took it.
            return False
        try:
            adoption = checks.adopt(client, execution, kestra_instance=instance, problem=_problem(execution))
        except Conflict:
            return False
        log.warning(
            "execution=%s ended before its claim: adopted=%s incident=%s %s",
            execution.id,
            adoption.adopted,
            adoption.incident_id,
            adoption.reason or "",
        )
        return adoption.adopted


def _problem(execution: Execution) -> str:
    return f"It ended as {execution.state} before it could claim the incident."
