"""Times on the screen: how long ago, and always also when, in UTC."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from dashboard.domain.clock import age_words, time_left_words

STALE_AFTER_SECONDS = 15.0


def absolute(moment: datetime) -> str:
    """`2026-11-24 10:02:11 UTC`."""
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")


def with_age(moment: datetime, now: datetime) -> str:
    """`12 min ago (2026-11-24 10:02:11 UTC)`."""
    return f"{age_words(moment, now)} ({absolute(moment)})"


def deadline(moment: datetime, now: datetime) -> str:
    """`52 min left (until 2026-11-24 10:02:11 UTC)`."""
    return f"{time_left_words(moment, now)} (until {absolute(moment)})"


def unbroken(text: str) -> str:
    """A length of time that does not break over two lines."""
    return text.replace(" ", "\u00a0")


def render_freshness(
    as_of: datetime | None, now: datetime, how: str, *, stale_after_seconds: float = STALE_AFTER_SECONDS
) -> None:
    """One quiet line: as of when, how old, by which way; louder when it is older than it should be."""
    if as_of is None:
        st.caption("Nothing has been seen yet.", text_alignment="right")
        return
    text = f"as of {as_of:%H:%M:%S} UTC, {age_words(as_of, now)}, {how}"
    if (now - as_of).total_seconds() > stale_after_seconds:
        st.caption(f":orange-badge[:material/history: stale] {text}", text_alignment="right")
    else:
        st.caption(text, text_alignment="right")
