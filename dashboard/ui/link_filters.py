"""Filters that a link from elsewhere set and that have no field here: said in words, and let go of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from dashboard.domain.clock import parse_instant
from dashboard.ui.paging import to_first_page
from dashboard.ui.text import escape
from dashboard.ui.times import absolute


def moment(name: str) -> datetime | None:
    """The time of that name in the address; None where there is none that can be read."""
    try:
        return parse_instant(st.query_params.get(name, ""))
    except ValueError:
        return None


def words(name: str) -> tuple[str, ...]:
    """The texts of that name in the address."""
    return tuple(text for text in st.query_params.get_all(name) if text)


def period_words(kind: str, since: datetime | None, until: datetime | None) -> str:
    """`reported from … until …`; empty where the period is open at both ends."""
    ends = (f"from {absolute(since)}" if since else "", f"until {absolute(until)}" if until else "")
    return " ".join(part for part in (kind, *ends) if part) if since or until else ""


def render_link_filters(parts: Sequence[str], names: Sequence[str]) -> None:
    """Say what was asked for, with a way to be rid of the parameters `names`; nothing where nothing was."""
    asked = ", ".join(escape(part.replace("_", " ")) for part in parts if part)
    if not asked:
        return

    def forget() -> None:
        for name in names:
            st.query_params.pop(name, None)
        to_first_page()

    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f":material/filter_alt: Only those {asked}.", width="content")
        st.button("Show the others too", key="forget_link", type="tertiary", on_click=forget)
