"""What happened to an incident, oldest first: people by default, the programs on demand."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime

import streamlit as st

from dashboard.domain.history import is_of_people, tell
from dashboard.domain.incident import IncidentEvent
from dashboard.domain.shape import Json
from dashboard.ui.errors_view import render_empty, shown
from dashboard.ui.markdown import safe_markdown
from dashboard.ui.text import clean, escape
from dashboard.ui.times import with_age

_ICONS = {
    "submitted": "add_alert",
    "seen_again": "repeat",
    "acknowledged": "visibility",
    "assigned": "person_add",
    "note": "edit_note",
    "severity": "swap_vert",
    "resolved": "check_circle",
    "reopened": "replay",
    "closed": "lock",
    "approved": "how_to_reg",
    "rejected": "block",
    "escalated": "campaign",
    "kill_requested": "stop_circle",
    "withdrawn": "undo",
}


def render_events(events: Sequence[IncidentEvent], now: datetime, payload: Callable[[int], Json]) -> None:
    """The timeline; `payload` reads the whole report behind a `seen again` once somebody opens it."""
    everything = st.toggle("Also what flow and worker noted", key="all_events")
    chosen = [event for event in events if everything or is_of_people(event)]
    if not chosen:
        render_empty("Nobody has done anything about it yet.")
        return
    for event in chosen:
        _render_event(event, now, payload)


def _render_event(event: IncidentEvent, now: datetime, payload: Callable[[int], Json]) -> None:
    did, text = tell(event)
    icon = _ICONS.get(event.kind, "radio_button_checked")
    who = escape(event.actor_name or "Somebody")
    st.markdown(f":material/{icon}: **{who}** {escape(did)}  \n:small[:gray[{with_age(event.at, now)}]]")
    if text:
        with st.container(border=True):
            st.markdown(safe_markdown(text))
    if event.has_payload:
        opened = st.expander(
            "What was reported", icon=":material/description:", key=f"payload_{event.id}", on_change="rerun"
        )
        if opened.open:
            with opened, shown():
                given = json.dumps(payload(int(event.id)), indent=1, ensure_ascii=False)
                st.code(clean(given), language="json", wrap_lines=True, height=320)
