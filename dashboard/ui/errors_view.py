"""Errors and refusals, each in its own words: unreachable, not allowed, not there, not valid, too late."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from dashboard.errors import (
    ConfigurationError,
    Conflict,
    IncidentScribeError,
    InvalidInput,
    NotAllowed,
    NotFound,
    NotSignedIn,
    UpstreamUnreachable,
)
from dashboard.ui.text import escape

_TITLES: tuple[tuple[type[IncidentScribeError], str, str], ...] = (
    (UpstreamUnreachable, "Not reachable just now", ":material/cloud_off:"),
    (NotSignedIn, "You are signed out", ":material/logout:"),
    (NotAllowed, "Not allowed", ":material/block:"),
    (NotFound, "Not found", ":material/search_off:"),
    (InvalidInput, "Not accepted as it stands", ":material/edit_note:"),
    (Conflict, "Somebody or something was faster", ":material/update:"),
    (ConfigurationError, "The desk is not set up", ":material/settings_alert:"),
)


def render_error(error: IncidentScribeError) -> None:
    """What happened, what it means, what to do."""
    title, icon = next(
        ((title, icon) for kind, title, icon in _TITLES if isinstance(error, kind)),
        ("Something is wrong", ":material/error:"),
    )
    sentences = "  \n".join(escape(part) for part in (error.what, error.means, error.to_do) if part)
    is_loud = not isinstance(error, (UpstreamUnreachable, NotFound, NotAllowed, Conflict))
    (st.error if is_loud else st.warning)(sentences, title=title, icon=icon)


def render_not_allowed(why: str) -> None:
    """A right is missing; said before anybody types."""
    st.warning(escape(why), title="Not allowed", icon=":material/block:")


def render_empty(what: str, next_step: str = "") -> None:
    """There is nothing here, and that is in order."""
    st.caption("  \n".join(escape(part) for part in (what, next_step) if part))


@contextmanager
def shown() -> Iterator[None]:
    """Draw an error of ours in place of the block that raised it; the rest of the page goes on."""
    try:
        yield
    except IncidentScribeError as error:
        render_error(error)
