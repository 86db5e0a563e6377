"""The period in one sentence, and the way to the one before."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard.domain.insights import Insights
from dashboard.domain.period import Period, Span
from dashboard.routes import INSIGHTS


def sentence(insights: Insights, period: Period) -> str:
    """`38 incidents were reported from … to …, 6 more than in the 30 days before; 3 are still open.`"""
    count, change = insights.count, insights.count - insights.before
    days = "day" if period.days == 1 else f"{period.days} days"
    compared = (
        f"as many as in the {days} before"
        if not change
        else f"{abs(change):,} {'more' if change > 0 else 'fewer'} than in the {days} before"
    )
    still_open = insights.fact("unresolved")
    parts = [
        f"{_incidents(count)} reported from {period.first} to {period.last} (UTC), {compared}",
        f"{still_open:,} {'is' if still_open == 1 else 'are'} still open" if still_open else "",
    ]
    imported = insights.fact("imported")
    return "; ".join(part for part in parts if part) + "." + _history(imported, count)


def render_before(period: Period, services: Sequence[str]) -> None:
    """The same page for the period before, where each of its numbers opens its rows as well."""
    before = period.before()
    query: dict[str, str | Sequence[str]] = {
        "days": Span.CUSTOM.value,
        "from": before.first.isoformat(),
        "to": before.last.isoformat(),
    }
    if services:
        query["service"] = services
    INSIGHTS.link(**query)
    label = f"The {period.days} days before: {before.first} to {before.last}"
    st.page_link(INSIGHTS.file, label=label, icon=":material/history:", query_params=query)


def _history(imported: int, count: int) -> str:
    if not imported:
        return ""
    if imported == count:
        return " All of it is imported history."
    return f" {imported:,} of them {'is' if imported == 1 else 'are'} imported history."


def _incidents(count: int) -> str:
    return "1 incident was" if count == 1 else f"{count:,} incidents were"
