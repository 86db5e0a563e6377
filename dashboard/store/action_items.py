"""Action items: what is to be changed after an incident."""

from __future__ import annotations

from typing import Any

from supabase import Client

from dashboard.domain.clock import to_iso, utc_now
from dashboard.domain.postmortem import ItemEntry, ItemRecord, OverdueItem
from dashboard.store.connection import call, rows
from dashboard.store.reading import all_understood, understood


def list_items(user: Client, incident_id: str) -> tuple[ItemRecord, ...]:
    """The action items of an incident, oldest first."""
    query = (
        user.table("action_items").select("*").eq("incident_id", incident_id).order("created_at").limit(200)
    )
    return all_understood(ItemRecord, rows(query))


def list_overdue(client: Client, limit: int = 20) -> tuple[OverdueItem, ...]:
    """Open items of the organization whose date has passed, longest overdue first."""
    query = (
        client.table("action_items")
        .select("*,incidents(external_id,service,title)")
        .is_("done_at", "null")
        .lt("due_at", to_iso(utc_now()))
        .order("due_at")
        .limit(limit)
    )
    return tuple(understood(OverdueItem, _with_incident(row)) for row in rows(query))


def add(user: Client, incident_id: str, entry: ItemEntry) -> None:
    """Write an item down; a suggestion of the model is taken over once. Raises InvalidInput, NotAllowed."""
    payload = entry.model_dump(mode="json", exclude_none=True)
    call(user, "add_action_item", {"incident_id": incident_id, "payload": payload})


def edit(user: Client, seen: ItemRecord, entry: ItemEntry) -> None:
    """Change an item as it was seen. Raises StaleVersion, InvalidInput, NotAllowed."""
    payload = entry.model_dump(mode="json", exclude={"suggestion"})
    arguments = {"id": seen.id, "kind": "edit", "payload": payload, "version": seen.version}
    call(user, "change_action_item", arguments)


def set_done(user: Client, seen: ItemRecord, *, done: bool) -> None:
    """Say that an item is done, or open it again. Raises StaleVersion, NotAllowed."""
    arguments = {"id": seen.id, "kind": "done" if done else "reopen", "version": seen.version}
    call(user, "change_action_item", arguments)


def _with_incident(row: dict[str, Any]) -> dict[str, Any]:
    incident = row.pop("incidents", None) or {}
    return row | {
        "external_id": incident.get("external_id", ""),
        "service": incident.get("service", ""),
        "incident_title": incident.get("title", ""),
    }
