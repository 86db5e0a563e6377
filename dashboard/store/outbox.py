"""The outbox: work that is owed to Kestra. For the worker, with the service role."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from pydantic import Field
from supabase import Client

from dashboard.domain.incident import Incident
from dashboard.domain.shape import Instant, Json, Shape
from dashboard.errors import NotFound
from dashboard.store.connection import call, first


class Kind(StrEnum):
    """What is owed, as far as this worker pays it."""

    START_RUN = "start_run"
    DELIVER_DECISION = "deliver_decision"
    COMMAND = "command"  # a kill or a restart of an execution
    NOTICE = "notice"  # word to people outside the desk


FOR_KESTRA = (Kind.START_RUN, Kind.DELIVER_DECISION, Kind.COMMAND)


class Leased(Shape):
    """A row under our lease. `detail` is what earlier attempts found out."""

    id: str
    kind: Kind
    organization_id: str
    incident_id: str | None = None
    attempts: int = 0
    lease_token: str
    payload: Json = Field(default_factory=dict)
    detail: Json = Field(default_factory=dict)
    created_at: Instant
    stuck_since: Instant | None = None


class Outcome(StrEnum):
    DONE = "done"
    RETRY = "retry"  # it failed: one attempt more, a longer pause
    WAITING = "waiting"  # nothing failed: look again


class Settlement(Shape):
    """How an attempt ended; `detail` is merged into the row's."""

    outcome: Outcome
    detail: Json = Field(default_factory=dict)

    @classmethod
    def done(cls, **detail: Any) -> Settlement:
        return cls(outcome=Outcome.DONE, detail=detail)

    @classmethod
    def waiting(cls, after_seconds: float, **detail: Any) -> Settlement:
        return cls(outcome=Outcome.WAITING, detail={**detail, "after_seconds": after_seconds})

    @classmethod
    def retry(cls, error: str, **detail: Any) -> Settlement:
        """`error` is a sentence; it is shown on the System page."""
        return cls(outcome=Outcome.RETRY, detail={**detail, "error": error})


def take(
    client: Client, worker: str, kinds: Sequence[Kind], *, limit: int, lease_seconds: int
) -> tuple[Leased, ...]:
    """Lease what is due, at most one row per incident, oldest first."""
    args = {"worker": worker, "kinds": list(kinds), "n": limit, "lease_seconds": lease_seconds}
    return tuple(Leased.model_validate(row) for row in call(client, "take_outbox", args))


def settle(client: Client, owed: Leased, settlement: Settlement) -> bool:
    """Say how it ended. False when the row was settled by somebody else, as a claim does.

    Raises LostLease when another worker has it now.
    """
    answer = call(
        client,
        "settle_outbox",
        {
            "id": owed.id,
            "lease_token": owed.lease_token,
            "outcome": settlement.outcome,
            "detail": settlement.detail,
        },
    )
    return bool(answer["settled"])


def expire_approvals(client: Client) -> int:
    """Let every approval whose deadline has passed expire; how many did."""
    return int(call(client, "expire_approvals")["expired"])


def remind_approvals(client: Client) -> tuple[int, int]:
    """Remind of approvals at half of their time, tell the second line at three quarters; how many of each."""
    answer = call(client, "remind_approvals")
    return int(answer["reminded"]), int(answer["second_line"])


def is_waiting(client: Client, approval_id: str) -> bool:
    """Whether an approval still waits for a decision."""
    row = first(client.table("approvals").select("status").eq("id", approval_id).limit(1))
    return row is not None and row["status"] == "pending"


def get_incident(client: Client, incident_id: str) -> Incident:
    """The whole incident, logs included. Raises NotFound."""
    row = first(client.table("incidents").select("*").eq("id", incident_id).limit(1))
    if row is None:
        raise NotFound("The incident of an intended start does not exist.")
    return Incident.model_validate(row)
