"""The overview: one call for what moves, one for how the last day compares."""

from __future__ import annotations

from supabase import Client

from dashboard.domain.overview import Overview, Trend
from dashboard.store.connection import call
from dashboard.store.reading import understood


def get_overview(user: Client) -> Overview:
    """What needs somebody and what runs, at this moment."""
    return understood(Overview, call(user, "overview"))


def get_trend(user: Client) -> Trend:
    """The last 24 hours against the seven days before."""
    return understood(Trend, call(user, "overview_trend"))
