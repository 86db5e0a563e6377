"""Insights: what a period looks like in numbers."""

from __future__ import annotations

from collections.abc import Sequence

from supabase import Client

from dashboard.domain.clock import to_iso
from dashboard.domain.insights import Insights
from dashboard.domain.period import Period
from dashboard.store.connection import call
from dashboard.store.reading import understood


def get_insights(user: Client, period: Period, services: Sequence[str] = ()) -> Insights:
    """What happened in a period, to all services or to some. Raises InvalidInput."""
    arguments = {
        "since": to_iso(period.since),
        "until": to_iso(period.until),
        "services": list(services) or None,
    }
    return understood(Insights, call(user, "insights", arguments))
