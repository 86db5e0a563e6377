"""Coming back by itself: a page that could not ask draws itself anew as soon as there is an answer."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from dashboard.errors import UpstreamUnreachable
from dashboard.ui.live import live

SECONDS = 5


def rerun_when_answered(ask: Callable[[], object]) -> None:
    """Ask every few seconds; the first answer runs the whole page again."""

    def look() -> None:
        try:
            ask()
        except UpstreamUnreachable:
            return
        st.rerun()

    # A page has one of these.
    live(key="recovery", fallback_seconds=SECONDS)(look)()
