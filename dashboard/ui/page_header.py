"""The top of every page: its title, how things stand in one sentence, and how fresh that is."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard.domain.clock import age_words, utc_now
from dashboard.ui.known import Known
from dashboard.ui.text import escape
from dashboard.ui.times import STALE_AFTER_SECONDS, with_age


def render_page_header(
    title: str, sentence: str = "", known: Known[Any] | None = None, *, how: str = "polled"
) -> None:
    """Draw the head of a page; from within its live fragment, so that sentence and age stay true.

    `title` and `sentence` are shown letter by letter. `known` is what the page was drawn from; `how` it came
    is one word: pushed, polled. Where it could not be read just now a warning says since when.
    """
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="page_header"):
        st.title(escape(title), anchor=False, width="stretch")
        if known is not None:
            st.caption(_freshness(known, how), width="content")
    if sentence:
        st.markdown(escape(sentence))
    if known is not None and known.error is not None:
        render_outage(known)


def render_outage(known: Known[Any]) -> None:
    """Why what is shown is not newer, how old it is, and that nothing has to be done."""
    if known.error is None:
        return
    st.warning(
        f"{escape(known.error.what)} Shown is what was known {with_age(known.as_of, utc_now())}. "
        "The page goes on by itself as soon as there is an answer.",
        title=f"{escape(known.error.service)} does not answer",
        icon=":material/cloud_off:",
    )


def _freshness(known: Known[Any], how: str) -> str:
    now = utc_now()
    text = f"as of {known.as_of:%H:%M:%S} UTC, {age_words(known.as_of, now)}, {how}"
    is_stale = known.error is not None or (now - known.as_of).total_seconds() > STALE_AFTER_SECONDS
    return f":orange-badge[:material/history: stale] {text}" if is_stale else text
