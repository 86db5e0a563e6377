"""The desk's own health, as the database knows it."""

from __future__ import annotations

from supabase import Client

from dashboard.domain.system import DoctorReport, MetricsReport, SystemReport
from dashboard.errors import NotAllowed, NotSignedIn
from dashboard.store.connection import call, rows
from dashboard.store.reading import understood


def get_report(user: Client) -> SystemReport:
    """Schema, guards, workers, outbox, alarms, settings, model."""
    return understood(SystemReport, call(user, "system_report"))


def get_doctor_report(service: Client) -> DoctorReport:
    """The same of the whole installation, and who may do what. With the service role."""
    return understood(DoctorReport, call(service, "doctor_report"))


def get_metrics(service: Client) -> MetricsReport:
    """Numbers of the whole installation. With the service role."""
    return understood(MetricsReport, call(service, "metrics_report"))


# Nobody who is not signed in reads these; they hold what people and programs wrote.
_CLOSED = ("incidents", "ai_analyses", "approvals", "executions", "audit_log", "profiles", "system_config")


def list_open_tables(anon: Client) -> tuple[str, ...]:
    """Tables that are read with the anon key alone; none should be. Raises UpstreamUnreachable."""
    return tuple(table for table in _CLOSED if _is_open(anon, table))


def _is_open(anon: Client, table: str) -> bool:
    try:
        rows(anon.table(table).select("*").limit(1))
    except (NotAllowed, NotSignedIn):
        return False
    return True
