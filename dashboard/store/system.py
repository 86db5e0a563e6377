"""The desk's own health, as the database knows it."""

from __future__ import annotations

from supabase import Client

from dashboard.domain.system import SystemReport
from dashboard.store.connection import call
from dashboard.store.reading import understood


def get_report(user: Client) -> SystemReport:
    """Schema, guards, workers, outbox, alarms, settings, model."""
    return understood(SystemReport, call(user, "system_report"))
