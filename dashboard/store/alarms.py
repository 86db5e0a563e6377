"""What is wrong with the installation, as the worker sees it, and what an admin may declare about it."""

from __future__ import annotations

from supabase import Client

from dashboard.domain.alarm import Alarm as Alarm
from dashboard.store.connection import call, rows


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
