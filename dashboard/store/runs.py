"""Executions as Supabase knows them. For the worker, with the service role."""

from __future__ import annotations

from collections.abc import Sequence

from supabase import Client

from dashboard.domain.clock import to_iso
from dashboard.domain.execution import Execution, ExecutionRecord
from dashboard.domain.steps import step_of
from dashboard.store.connection import call, first


def find_record(client: Client, kestra_execution_id: str) -> ExecutionRecord | None:
    """What an execution has reported about itself, or None if it never did."""
    query = client.table("executions").select("*").eq("kestra_execution_id", kestra_execution_id).limit(1)
    row = first(query)
    return None if row is None else ExecutionRecord.model_validate(row)


def note(client: Client, execution: Execution, *, kestra_instance: str | None) -> None:
    """Store what was seen at Kestra; the database lets only newer observations win."""
    call(
        client,
        "note_execution",
        {
            "kestra_execution_id": execution.id,
            "kestra_instance": kestra_instance,
            "state": execution.state,
            "step": step_of(execution.current_task_id),
            "seen": len(execution.history),
        },
    )


def finish(client: Client, execution: Execution, errors: Sequence[str], *, state: str | None = None) -> None:
    """Report an end that the flow itself could not report; idempotent."""
    detail: dict[str, object] = {"by": "worker", "errors": list(errors)}
    if execution.ended_at is not None:
        detail["ended_at"] = to_iso(execution.ended_at)
    call(
        client,
        "finish_run",
        {
            "kestra_execution_id": execution.id,
            "state": state or execution.state,
            "detail": detail,
            "seen": len(execution.history),
        },
    )
