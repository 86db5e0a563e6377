"""Workers' word that they are alive. With the service role."""

from __future__ import annotations

from datetime import datetime

from supabase import Client

from dashboard.domain.clock import to_iso
from dashboard.store.connection import call


def beat(client: Client, worker: str, *, started_at: datetime, version: str, trouble: str | None) -> None:
    """Say that a worker is alive, and what troubles it now."""
    arguments = {"worker": worker, "started_at": to_iso(started_at), "version": version, "trouble": trouble}
    call(client, "beat", arguments)
