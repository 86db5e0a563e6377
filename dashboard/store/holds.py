"""Workers on hold after a restore: what a worker finds, what a person sees and releases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from supabase import Client

from dashboard.domain.hold import ForgottenRun, Hold, Released
from dashboard.store.connection import call, rows

_SHOWN = 500


def find(client: Client) -> Hold | None:
    """The hold that stands, if one does."""
    answer = call(client, "current_hold")
    # The client library makes an empty list of null.
    return Hold.model_validate(answer) if answer else None


def list_forgotten(user: Client, hold: Hold) -> tuple[ForgottenRun, ...]:
    """The newest 500 of the person's organization that were found during this hold, oldest first."""
    query = (
        user.table("forgotten_runs")
        .select("*")
        .eq("hold_id", hold.id)
        .order("started_at", desc=True)
        .limit(_SHOWN)
    )
    return tuple(ForgottenRun.model_validate(row) for row in reversed(rows(query)))


def find_forgotten(user: Client) -> tuple[ForgottenRun, ...] | None:
    """`list_forgotten` of the hold that stands; None where none does."""
    hold = find(user)
    return list_forgotten(user, hold) if hold else None


def begin(client: Client, worker: str, found: Sequence[Mapping[str, Any]]) -> Hold:
    """Put all workers on hold, with what was found. For the worker."""
    return Hold.model_validate(call(client, "begin_hold", {"worker": worker, "forgotten": list(found)}))


def unknown(client: Client, execution_ids: Sequence[str]) -> frozenset[str]:
    """Those of these claimed executions that the database has forgotten. For the worker."""
    if not execution_ids:
        return frozenset()
    return frozenset(call(client, "forgotten_executions", {"ids": list(execution_ids)}))


def without_actions(client: Client, execution_ids: Sequence[str]) -> frozenset[str]:
    """Those of these executions, which have all acted, of whose actions the database has forgotten all."""
    if not execution_ids:
        return frozenset()
    return frozenset(call(client, "without_actions", {"ids": list(execution_ids)}))


def list_live(client: Client, limit: int = 200) -> tuple[str, ...]:
    """Kestra's ids of runs that are not over as far as the database knows. For the worker."""
    query = (
        client.table("executions")
        .select("kestra_execution_id")
        .is_("ended_at", "null")
        .order("started_at", desc=True)
        .limit(limit)
    )
    return tuple(str(row["kestra_execution_id"]) for row in rows(query))


def hold(admin: Client, reason: str) -> Hold:
    """Put all workers on hold. Raises Conflict when they are, InvalidInput without a reason."""
    return Hold.model_validate(call(admin, "hold_workers", {"reason": reason}))


def release(admin: Client, reason: str) -> Released:
    """Let the workers act again. Raises Conflict when nothing is on hold, InvalidInput without a reason."""
    return Released.model_validate(call(admin, "release_hold", {"reason": reason}))
