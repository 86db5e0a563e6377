"""Removing what is bulky of incidents that ended long ago, as RETENTION_DAYS of `system_config` says."""

from __future__ import annotations

import logging

from supabase import Client

from dashboard.store import retention
from dashboard.worker.pace import Every

log = logging.getLogger(__name__)

EVERY_SECONDS = 3600.0
BATCH = 100


class Purger:
    """Once an hour, a batch at a time until nothing is left; the database knows what may go."""

    def __init__(self) -> None:
        self._due = Every(EVERY_SECONDS)
        self._is_unfinished = False

    def look(self, client: Client) -> None:
        """One batch, when it is time. Raises errors of our tree."""
        if not (self._due.is_due() or self._is_unfinished):
            return
        emptied = retention.empty_incidents(client, BATCH)
        self._is_unfinished = emptied == BATCH
        if emptied:
            log.info("incidents emptied=%d", emptied)
