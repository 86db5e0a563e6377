"""Incidents: handing one in, reading them, and what happened to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from supabase import Client

from dashboard.domain.clock import to_iso
from dashboard.domain.incident import Incident, IncidentEvent, IncidentPayload, SubmitReceipt
from dashboard.domain.listing import IncidentFilters, IncidentPage
from dashboard.errors import NotFound
from dashboard.store.connection import call, first, rows
from dashboard.store.reading import all_understood, understood

PAGE_SIZE = 50

# Lists leave out what may be megabytes.
_LIST_COLUMNS = (
    "id,organization_id,external_id,source,service_id,service,severity,status,needs_human,needs_human_reason,"
    "title,occurrences,submitted_by,submitted_by_name,version,created_at,updated_at,resolved_at,closed_at"
)


def submit_incident(user: Client, payload: IncidentPayload) -> SubmitReceipt:
    """Hand an incident in, or join an open one. Raises InvalidInput, NotAllowed."""
    return understood(SubmitReceipt, call(user, "submit_incident", {"payload": payload.to_json()}))


def get_incident(user: Client, incident_id: str) -> Incident:
    """One incident with all it has. Raises NotFound."""
    row = first(user.table("incidents").select("*").eq("id", incident_id).limit(1))
    if row is None:
        raise NotFound(
            "There is no such incident, or it belongs to another organization.",
            to_do="Look for it in the list of incidents.",
        )
    return understood(Incident, row)


def find_incidents(user: Client, incident_ids: Sequence[str]) -> dict[str, Incident]:
    """Incidents by id, without logs, metrics and context; ids that are not there are left out."""
    found: dict[str, Incident] = {}
    wanted = sorted(set(incident_ids))
    for start in range(0, len(wanted), 100):  # the ids travel in the address
        some = wanted[start : start + 100]
        query = user.table("incidents").select(_LIST_COLUMNS).in_("id", some)
        found |= {row["id"]: understood(Incident, row) for row in rows(query)}
    return found


def list_incidents(user: Client, filters: IncidentFilters | None = None, page: int = 1) -> IncidentPage:
    """A page of incidents, newest first, each with its latest run and for whom it waits.

    Raises InvalidInput for a fact that nobody counts.
    """
    wanted = filters or IncidentFilters()
    arguments: dict[str, Any] = {
        "search": wanted.search,
        "statuses": list(wanted.statuses) or None,
        "severities": list(wanted.severities) or None,
        "services": list(wanted.services) or None,
        "since": to_iso(wanted.since) if wanted.since else None,
        "until": to_iso(wanted.until) if wanted.until else None,
        "fact": wanted.fact,
        "mine": wanted.mine,
        "skip": (max(1, page) - 1) * PAGE_SIZE,
        "take": PAGE_SIZE,
    }
    return understood(IncidentPage, call(user, "list_incidents", arguments))


def list_events(user: Client, incident_id: str) -> tuple[IncidentEvent, ...]:
    """What happened to an incident, oldest first."""
    query = user.table("incident_events").select("*").eq("incident_id", incident_id).order("at").limit(500)
    return all_understood(IncidentEvent, rows(query))
