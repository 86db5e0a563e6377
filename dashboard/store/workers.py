"""Workers' word that they are alive. With the service role."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from supabase import Client

from dashboard.domain.clock import to_iso
from dashboard.store.connection import call


def beat(
    client: Client,
    worker: str,
    *,
    started_at: datetime,
    version: str,
    trouble: str | None,
    facts: Mapping[str, Any],
) -> None:
    """Say that a worker is alive, what troubles it now, and what it knows of itself; no secrets."""
    arguments = {
        "worker": worker,
        "started_at": to_iso(started_at),
        "version": version,
        "trouble": trouble,
        "facts": dict(facts),
    }
    call(client, "beat", arguments)
