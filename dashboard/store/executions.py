"""What Supabase knows about runs: executions, actions that were begun, work still owed."""

from __future__ import annotations

from collections.abc import Iterator

from supabase import Client

from dashboard.domain.action import ActionRun
from dashboard.domain.shape import Instant, Json, Shape
from dashboard.store.connection import first, rows
from dashboard.store.reading import all_understood, understood

# People may not read the lease and the nonce of these tables, so `*` would be refused.
_OWED_COLUMNS = (
    "id,incident_id,kind,status,payload,detail,attempts,last_error,stuck_since,created_at,settled_at"
)
_ACTION_RUN_COLUMNS = (
    "id,incident_id,execution_id,approval_id,action_key,action,title,request,status,verified,detail,"
    "begun_at,finished_at"
)


class Owed(Shape):
    """A row of `outbox`: work the worker owes Kestra; settled when `status` is not `owed`."""

    id: str
    incident_id: str | None = None
    kind: str
    status: str
    payload: Json
    detail: Json
    requested_by_name: str | None = None  # only where a function names people
    attempts: int = 0
    last_error: str | None = None
    stuck_since: Instant | None = None
    created_at: Instant
    settled_at: Instant | None = None

    @property
    def is_owed(self) -> bool:
        return self.status == "owed"


def list_action_runs(user: Client, incident_id: str) -> tuple[ActionRun, ...]:
    """Every effect that was begun for an incident, oldest first."""
    query = (
        user.table("action_runs").select(_ACTION_RUN_COLUMNS).eq("incident_id", incident_id).order("begun_at")
    )
    return all_understood(ActionRun, rows(query))


def is_readable(user: Client, kestra_execution_id: str) -> bool:
    """Whether this person may know of an execution: its row is theirs to read."""
    query = user.table("executions").select("id").eq("kestra_execution_id", kestra_execution_id).limit(1)
    return first(query) is not None


def find_delivery(user: Client, incident_id: str, approval_id: str) -> Owed | None:
    """The delivery of a decision to Kestra."""
    return next(_of_approval(user, "deliver_decision", incident_id, approval_id, most=20), None)


def list_notices(user: Client, incident_id: str, approval_id: str) -> tuple[Owed, ...]:
    """The notices of an approval that were sent or are still owed, oldest first."""
    return tuple(reversed(list(_of_approval(user, "notice", incident_id, approval_id, most=50))))


def _of_approval(user: Client, kind: str, incident_id: str, approval_id: str, most: int) -> Iterator[Owed]:
    """Among the newest so many of the incident's rows, those of the approval, newest first."""
    query = (
        user.table("outbox")
        .select(_OWED_COLUMNS)
        .eq("incident_id", incident_id)
        .eq("kind", kind)
        .order("created_at", desc=True)
        .limit(most)
    )
    owed = (understood(Owed, row) for row in rows(query))
    return (row for row in owed if row.payload.get("approval_id") == approval_id)
