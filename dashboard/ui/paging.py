"""Pages of a list that is cut on the server; which one is shown stands in the address."""

from __future__ import annotations

from math import ceil

import streamlit as st

_PAGE = "page"


def page_shown() -> int:
    """The number of the page that is asked for, from 1."""
    # In the first run of a page the address has not reached its widget yet.
    asked = str(st.session_state.get(_PAGE) or st.query_params.get(_PAGE, ""))
    return max(1, int(asked)) if asked.isascii() and asked.isdecimal() else 1


def page_within(count: int, size: int) -> int:
    """The same for a list that is read whole; the first page where the list has become too short."""
    if (page_shown() - 1) * size >= count:
        to_first_page()
    return page_shown()


def to_first_page() -> None:
    """For callbacks of filters: what they ask for begins at its beginning."""
    st.session_state[_PAGE] = 1


def render_paging(page: int, count: int, words: str, *, are_more: bool, size: int) -> None:
    """How many there are, and the way to the other pages.

    `count` is the number of rows, or of those that were counted where `are_more`.
    """
    pages = max(1, ceil(count / size), page + 1 if are_more else 1)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        if count:
            first, last = (page - 1) * size + 1, min(page * size, count) if not are_more else page * size
            st.caption(f"{first} to {last} of {words}." if pages > 1 else f"{words}.", width="content")
        if pages > 1:
            st.pagination(pages, key=_PAGE, bind="query-params", width="content")
