"""The worker reads now and then what Prometheus is told of the database."""

from __future__ import annotations

from supabase import Client

from dashboard import metrics
from dashboard.errors import IncidentScribeError
from dashboard.store import system
from dashboard.worker.pace import Every, Trouble

EVERY_SECONDS = 15.0


class Numbers:
    """Without them the work goes on: trouble is told in the log."""

    def __init__(self) -> None:
        self._due = Every(EVERY_SECONDS)
        self._trouble = Trouble("the numbers")

    def look(self, client: Client) -> None:
        """Read them, when it is time."""
        if not self._due.is_due():
            return
        try:
            metrics.show_report(system.get_metrics(client))
        except IncidentScribeError as error:
            self._trouble.raised(error)
        else:
            self._trouble.passed()
