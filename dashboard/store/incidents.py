"""Incidents: handing one in, reading them, and what happened to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from supabase import Client

from dashboard.domain.incident import Incident, IncidentEvent, IncidentPayload, SubmitReceipt
from dashboard.errors import NotFound
from dashboard.store.connection import call, first, rows
from dashboard.store.reading import all_understood, understood

PAGE_SIZE = 50

# Lists leave out what may be megabytes.
_LIST_COLUMNS = (
    "id,organization_id,external_id,source,service,severity,status,needs_human,needs_human_reason,"
    "title,occurrences,submitted_by,submitted_by_name,version,created_at,updated_at,resolved_at,closed_at"
)


class IncidentPage(NamedTuple):
    """One page of a list, and whether another one follows."""

    incidents: tuple[Incident, ...]
    has_more: bool


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


def list_incidents(
    user: Client,
    *,
    search: str = "",
    statuses: Sequence[str] = (),
    severities: Sequence[str] = (),
    page: int = 1,
) -> IncidentPage:
    """A page of incidents, newest first; `search` looks in title, service and id."""
    arguments = {
        "search": search,
        "statuses": list(statuses) or None,
        "severities": list(severities) or None,
        "skip": (max(1, page) - 1) * PAGE_SIZE,
        # One more than is shown tells whether there is another page; counting them all would read them all.
        "take": PAGE_SIZE + 1,
    }
    found = rows(user.rpc("search_incidents", arguments).select(_LIST_COLUMNS))
    return IncidentPage(all_understood(Incident, found[:PAGE_SIZE]), len(found) > PAGE_SIZE)


def list_needing_people(user: Client, limit: int = 10) -> tuple[Incident, ...]:
    """Open incidents that say a person has to look, newest first."""
    query = (
        user.table("incidents")
        .select(_LIST_COLUMNS)
        .eq("needs_human", True)
        .in_("status", ["open", "investigating", "awaiting_approval"])
        .order("updated_at", desc=True)
        .limit(limit)
    )
    return all_understood(Incident, rows(query))


def list_events(user: Client, incident_id: str) -> tuple[IncidentEvent, ...]:
    """What happened to an incident, oldest first."""
    query = user.table("incident_events").select("*").eq("incident_id", incident_id).order("at").limit(500)
    return all_understood(IncidentEvent, rows(query))
