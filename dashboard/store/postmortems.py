"""What the model wrote about incidents: rows of `ai_analyses`."""

from __future__ import annotations

from supabase import Client

from dashboard.domain.analysis import AiAnalysis
from dashboard.store.connection import first, rows
from dashboard.store.reading import all_understood, understood

_LIST_COLUMNS = (
    "id,incident_id,execution_id,root_cause,confidence_level,model,problem,documentation,"
    "created_at,updated_at,completed_at"
)


def find_analysis(user: Client, incident_id: str) -> AiAnalysis | None:
    """The findings of the latest run of an incident, finished or not."""
    query = (
        user.table("ai_analyses")
        .select("*")
        .eq("incident_id", incident_id)
        .order("created_at", desc=True)
        .limit(1)
    )
    row = first(query)
    return understood(AiAnalysis, row) if row else None


def list_postmortems(user: Client, limit: int = 50) -> tuple[AiAnalysis, ...]:
    """Findings that have come to their end, newest first, without their evidence."""
    query = (
        user.table("ai_analyses")
        .select(_LIST_COLUMNS)
        .not_.is_("completed_at", "null")
        .order("completed_at", desc=True)
        .limit(limit)
    )
    return all_understood(AiAnalysis, rows(query))
