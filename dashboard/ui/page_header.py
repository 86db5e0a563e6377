"""The top of every page: its title, how things stand in one sentence, and how fresh that is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard.domain.clock import utc_now
from dashboard.errors import IncidentScribeError
from dashboard.ui.clocks import render_fresh
from dashboard.ui.errors_view import render_error
from dashboard.ui.known import Known
from dashboard.ui.text import escape
from dashboard.ui.times import with_age

# Live fragments look again every 30 s although nothing happened; one look may be lost.
_STALE_AFTER_SECONDS = 75.0

_titles: ContextVar[list[str] | None] = ContextVar("titles", default=None)


def render_page_header(
    title: str, sentence: str = "", known: Known[Any] | None = None, *, how: str = "live"
) -> None:
    """Draw the head of a page; from within its live fragment, so that sentence and age stay true.

    `title` and `sentence` are shown letter by letter. `known` is what the page was drawn from; `how` it came
    is one word: live, polled. Where it could not be read just now a warning says since when.
    """
    if (drawn := _titles.get()) is not None:
        drawn.append(title)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="page_header"):
        st.title(escape(title), anchor=False, width="stretch")
        if known is not None:
            render_freshness_line(known, how=how)
    if sentence:
        st.markdown(escape(sentence))
    if known is not None and known.error is not None:
        render_outage(known)


def render_freshness_line(known: Known[Any], *, how: str = "live") -> None:
    """As of when, how old, by which way; where the head of a page is not drawn by `render_page_header`."""
    late = 0 if known.error else _STALE_AFTER_SECONDS
    render_fresh("page_fresh", known.as_of, utc_now(), how, stale_after_seconds=late)


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


@contextmanager
def headed(title: str, head: DeltaGenerator) -> Iterator[None]:
    """Around reading and drawing a page: what could not be read at all is said below the page's title.

    `head` is the place above everything else, where the page draws its head once it has read.
    """
    drawn: list[str] = []
    token = _titles.set(drawn)
    try:
        yield
    except IncidentScribeError as error:
        if not drawn:
            with head:
                render_page_header(title)
        render_error(error)
    finally:
        _titles.reset(token)
