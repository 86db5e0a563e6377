"""The last 24 hours against the week before, as figures with their last eight days."""

from __future__ import annotations

import streamlit as st

from dashboard.domain.clock import duration_words
from dashboard.domain.overview import Count, Pace, Trend
from dashboard.ui.chips import severity_chip

# Pixels: two beside each other on a phone; one, where a length of time is compared with another one.
_WIDTH, _WIDER = 150, 220


def render_trend(trend: Trend) -> None:
    """Incidents by severity, time to approve, time to resolve."""
    with st.grid(3, min_column_width=_WIDER):
        _count("Reported", trend.count())
        _pace(
            "Approved in",
            trend.approved,
            "Time to approve: from the question to the decision, median over decisions.",
        )
        _pace(
            "Resolved in",
            trend.resolved,
            "Time to resolve: from the report to resolved, median over resolutions.",
        )
    with st.grid(4, min_column_width=_WIDTH):
        for level, count in trend.by_severity():
            _count(level.value, count, icon=f":material/{severity_chip(level).icon}:")
    st.caption(
        "Small figures: against an average day of the week before. Each chart has eight spans of 24 hours; "
        "the last one ends now."
    )


def _count(label: str, count: Count, icon: str | None = None) -> None:
    st.metric(
        label,
        count.today,
        round(count.today - count.before, 1),
        delta_color="inverse",
        delta_description=f"from {count.before:.1f}",
        icon=icon,
        chart_data=count.days,
        chart_type="bar",
        border=True,
    )


def _pace(label: str, pace: Pace, meaning: str) -> None:
    before = f"from {_short(pace.before)}" if pace.before is not None else "none before"
    change = (
        round((pace.today - pace.before) / pace.before * 100)
        if pace.today is not None and pace.before
        else None
    )
    st.metric(
        label,
        _short(pace.today) if pace.today is not None else "none",
        None if change is None else f"{change:+d} %",
        delta_color="inverse",
        delta_description=before,
        help=meaning,
        # A day without any is no bar; a line would lead through zero.
        chart_data=[day or 0 for day in pace.days] if pace.before_count + pace.today_count else None,
        chart_type="bar",
        border=True,
    )


def _short(seconds: float) -> str:
    """Of a length of time the first unit, which fits a card on a phone."""
    return " ".join(duration_words(seconds).split(" ")[:2])
