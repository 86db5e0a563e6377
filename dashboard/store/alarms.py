"""What is wrong with the installation, as the worker sees it, and what an admin may declare about it."""

from __future__ import annotations

from supabase import Client

from dashboard.domain.shape import Instant, Shape
from dashboard.store.connection import call, rows


class Alarm(Shape):
    """One thing that is wrong for as long as the row stands: what, what it means, what to do.

    `kind` is kestra_unreachable, kestra_other (its `subject` is the uuid of the Kestra that is
    missed) or kestra_unknown_runs.
    """

    id: int
    kind: str
    subject: str = ""
    sentence: str
    means: str
    to_do: str
    raised_at: Instant
    seen_at: Instant

    @property
    def can_be_declared_gone(self) -> bool:
        """Whether `declare_kestra_gone` is an answer to it."""
        return self.kind in ("kestra_other", "kestra_unknown_runs")


def list_alarms(client: Client) -> tuple[Alarm, ...]:
    """What is wrong now, oldest first."""
    query = client.table("alarms").select("*").is_("cleared_at", "null").order("raised_at")
    return tuple(Alarm.model_validate(row) for row in rows(query))


def declare_kestra_gone(client: Client, alarm: Alarm, reason: str) -> int:
    """End the live runs of the Kestra an alarm is about as lost; how many there were. Admins only.

    Raises Conflict when it has answered in the last minute, InvalidInput without a reason.
    """
    args = {"kestra_instance": alarm.subject or None, "reason": reason}
    return int(call(client, "declare_kestra_gone", args)["lost"])
