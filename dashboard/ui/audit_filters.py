"""What of the audit log is asked for: fields whose values stand in the address."""

from __future__ import annotations

from datetime import datetime, timedelta

import streamlit as st

from dashboard.store.audit import Wanted
from dashboard.ui.paging import to_first_page

_KINDS = (
    "approval",
    "action",
    "command",
    "incident",
    "postmortem",
    "session",
    "person",
    "service",
    "organization",
)


def render_audit_filters(now: datetime) -> tuple[Wanted, str]:
    """Draw the fields; what they ask for, and a word that is another one for every choice."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        kind = st.selectbox(
            "What",
            _KINDS,
            index=None,
            placeholder="Everything",
            key="action",
            bind="query-params",
            on_change=to_first_page,
            width=200,
        )
        actor = st.text_input(
            "Who",
            key="actor",
            bind="query-params",
            on_change=to_first_page,
            placeholder="Name as written",
            width=200,
        )
        subject = st.text_input(
            "About",
            key="subject",
            bind="query-params",
            on_change=to_first_page,
            placeholder="Id of an incident or approval",
            width=320,
        )
        days = st.selectbox(
            "Since",
            (1, 7, 30, 365),
            index=2,
            format_func=lambda n: f"{n} days" if n > 1 else "one day",
            key="days",
            bind="query-params",
            on_change=to_first_page,
            width=140,
        )
    since = now - timedelta(days=days or 30)
    wanted = Wanted(kind or "", (actor or "").strip(), (subject or "").strip(), since)
    return wanted, f"{kind}_{actor}_{subject}_{days}"
