"""Coming back by itself: a page that could not ask draws itself anew as soon as there is an answer."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from dashboard.errors import IncidentScribeError, UpstreamUnreachable
from dashboard.ui.errors_view import render_error
from dashboard.ui.live import live

SECONDS = 5


def rerun_when_answered(ask: Callable[[], object]) -> None:
    """Ask every few seconds; the first answer, be it a refusal, runs the whole page again."""

    def look() -> None:
        try:
            ask()
        except UpstreamUnreachable:
            return
        except IncidentScribeError:
            pass  # the page says it
        st.rerun()

    # A page has one of these.
    live(key="recovery", fallback_seconds=SECONDS)(look)()


def render_unread(error: IncidentScribeError, ask: Callable[[], object]) -> None:
    """Why a page shows nothing; where nothing answered it comes back by itself. `ask` is what failed."""
    render_error(error)
    if isinstance(error, UpstreamUnreachable):
        rerun_when_answered(ask)
