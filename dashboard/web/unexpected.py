"""What nobody foresaw: the screen has a reference, under which the log has the rest."""

from __future__ import annotations

import logging
import secrets

import streamlit as st

log = logging.getLogger(__name__)


def show_unexpected(error: Exception) -> bool:
    """Log an error that a page did not foresee, and draw a reference in its place; True: it is shown."""
    reference = secrets.token_hex(4).upper()
    log.error("reference=%s a page failed", reference, exc_info=error)
    st.error(
        f"Nothing that was submitted or decided is lost. Try again; if it stays so, "
        f"tell your administrator the reference `{reference}`, which stands in the log.",
        title="Something unexpected happened here",
        icon=":material/error:",
    )
    return True
