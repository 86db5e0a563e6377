"""Links within the desk."""

from __future__ import annotations

import re
from collections.abc import Sequence

import streamlit as st

from dashboard.routes import Route
from dashboard.ui.text import escape

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def id_in_address() -> str | None:
    """The `id` of the page's address, or None when it is absent or no id at all."""
    wanted = st.query_params.get("id", "").strip().lower()
    if not _UUID.fullmatch(wanted):
        return None
    # A link from a page to itself leaves the browser's address as it was (Streamlit 1.67), and the next press
    # of a button would draw what was left. Told its parameters, the browser takes them over if they are new.
    st.query_params["id"] = wanted
    return wanted


def render_link(route: Route, label: str, *, strong: bool = False, **query: str | Sequence[str]) -> None:
    """A link to a page of the desk; the label is shown letter by letter."""
    route.link(**query)  # refuses parameters the page does not know
    shown = f"**{escape(label)}**" if strong else escape(label)
    st.page_link(route.file, label=shown, icon=route.icon, query_params=query or None)


def go_to(route: Route, **query: str | Sequence[str]) -> None:
    """Leave for another page of the desk; the script ends here."""
    route.link(**query)
    st.switch_page(route.file, query_params=query or None)
