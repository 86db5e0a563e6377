"""What a worker looks for at Kestra, and what it found there. With the service role."""

from __future__ import annotations

from collections.abc import Sequence

from supabase import Client

from dashboard.domain.execution import Execution, ExecutionRecord
from dashboard.domain.shape import Instant, Shape
from dashboard.store.connection import call


class Check(ExecutionRecord):
    """A live execution to look for now, and how often in a row its Kestra did not know it."""

    missing_times: int = 0


class Adoption(Shape):
    """What became of an execution that ended before its claim; `reason` when it was left alone."""

    adopted: bool
    reason: str | None = None
    incident_id: str | None = None
    run_id: str | None = None


class KnownKestra(Shape):
    """A Kestra that has answered; `missed` are others with live runs that answer nobody."""

    first_seen_at: Instant
    missed: tuple[str, ...] = ()


def take(client: Client, *, limit: int, every_seconds: int) -> tuple[Check, ...]:
    """Live executions nobody has looked for in `every_seconds`; no other worker gets the same."""
    found = call(client, "take_checks", {"n": limit, "every_seconds": every_seconds})
    return tuple(Check.model_validate(row) for row in found)


def note_missing(client: Client, execution_id: str, *, kestra_instance: str) -> bool:
    """That Kestra knows no such execution; True when this made it lost."""
    args = {"kestra_execution_id": execution_id, "kestra_instance": kestra_instance}
    return bool(call(client, "note_missing", args)["lost"])


def note_resumed(client: Client, execution_id: str) -> bool:
    """That the pause has ended at Kestra; True when nobody had decided here."""
    return bool(call(client, "note_resumed", {"kestra_execution_id": execution_id})["cancelled"])


def note_kestra(client: Client, uuid: str, version: str) -> KnownKestra:
    """That this Kestra answers; raises or clears the alarm about another one."""
    answer = call(client, "note_kestra", {"kestra_instance": uuid, "version": version})
    return KnownKestra.model_validate(answer)


def note_kestra_trouble(client: Client, *, what: str, means: str, to_do: str) -> None:
    """That Kestra has given no usable answer for a while."""
    call(client, "note_kestra_trouble", {"what": what, "means": means, "to_do": to_do})


def unknown(client: Client, execution_ids: Sequence[str]) -> frozenset[str]:
    """Those of Kestra's executions that never reported here."""
    if not execution_ids:
        return frozenset()
    return frozenset(call(client, "unknown_executions", {"ids": list(execution_ids)}))


def adopt(client: Client, execution: Execution, *, kestra_instance: str, problem: str) -> Adoption:
    """File the incident of an execution that ended before its claim, and owe a new run.

    Raises Conflict when it has reported by itself in the meantime.
    """
    answer = call(
        client,
        "adopt_execution",
        {
            "kestra_execution_id": execution.id,
            "payload": execution.inputs.get("incident_data"),
            "state": execution.state,
            "kestra_instance": kestra_instance,
            "seen": len(execution.history),
            "problem": problem,
        },
    )
    return Adoption.model_validate(answer)
