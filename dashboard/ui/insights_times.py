"""How long it took to acknowledge, to approve and to resolve, against the period before."""

from __future__ import annotations

import streamlit as st

from dashboard.domain.clock import duration_words
from dashboard.domain.insights import DEFINITIONS, Change, Insights
from dashboard.ui.insights_rows import Rows

_CARD_PIXELS = 240  # three beside each other on a laptop


def render_times(insights: Insights, rows: Rows) -> None:
    """Three cards: the median with its change, what nine of ten took, and the rows in and beside it."""
    with st.grid(min_column_width=_CARD_PIXELS):
        with st.container(border=True, gap="xsmall"):
            _figure("Time to acknowledge", "Time to acknowledge (MTTA)", insights.acknowledge)
            rows.render_incidents(insights.acknowledge.now.count, "acknowledged", fact="acknowledged")
            rows.render_incidents(
                insights.fact("not_acknowledged"), "never acknowledged", fact="not_acknowledged"
            )
            _contradicting(
                rows,
                insights,
                "acknowledged_too_early",
                "left out: clocks",
                "Acknowledged before they were reported.",
            )
        with st.container(border=True, gap="xsmall"):
            _figure("Time to approve", "Time to approve", insights.approve)
            decided = sum(g.count for g in insights.approvals.groups if g.status in ("approved", "rejected"))
            rows.render_approvals(decided, "decided", status=("approved", "rejected"))
            rows.render_approvals(
                insights.approvals.count - decided,
                "without a decision",
                status=("pending", "expired", "cancelled"),
            )
            if contradicting := decided - insights.approve.now.count:
                st.caption(f"{contradicting} decided before they were asked for: left out of the times")
        with st.container(border=True, gap="xsmall"):
            _figure("Time to resolve", "Time to resolve (MTTR)", insights.resolve)
            rows.render_incidents(insights.resolve.now.count, "resolved", fact="resolved")
            rows.render_incidents(insights.fact("unresolved"), "still open", fact="unresolved")
            _contradicting(
                rows,
                insights,
                "resolved_too_early",
                "left out: clocks",
                "Resolved before they were reported.",
            )


def _figure(label: str, definition: str, change: Change) -> None:
    now, before = change.now, change.before
    st.metric(
        label,
        "none" if now.median_seconds is None else duration_words(now.median_seconds),
        delta=None if change.seconds is None else _signed(change.seconds),
        delta_color="inverse" if change.seconds else "off",
        delta_description=None if change.seconds is None else "than before",
        help=f"{DEFINITIONS[definition]} {DEFINITIONS['Median and 9 of 10']}",
    )
    if now.p90_seconds is not None:
        st.markdown(f"9 of 10 within **{duration_words(now.p90_seconds)}**")
    if before.median_seconds is None:
        st.caption("Nothing to compare with in the period before.")
    elif before.p90_seconds is not None:
        st.caption(
            f"Before: median {duration_words(before.median_seconds)}, 9 of 10 within"
            f" {duration_words(before.p90_seconds)}, of {before.count:,}."
        )


def _contradicting(rows: Rows, insights: Insights, fact: str, words: str, meaning: str) -> None:
    if count := insights.fact(fact):
        rows.render_incidents(count, words, meaning, fact=fact)


def _signed(seconds: float) -> str:
    """The arrow of a metric goes by the sign."""
    return f"{'-' if seconds < 0 else '+'}{duration_words(abs(seconds))}"
