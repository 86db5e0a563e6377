"""The report as it was handed in; read when somebody opens it, since it may be megabytes."""

from __future__ import annotations

import json
from collections.abc import Callable

import streamlit as st

from dashboard.domain.incident import Incident
from dashboard.ui.errors_view import render_empty, shown
from dashboard.ui.markdown import safe_markdown
from dashboard.ui.text import clean, escape

_LINES_SHOWN = 200


def render_report(fetch: Callable[[], Incident]) -> None:
    """`fetch` answers the whole incident."""
    opened = st.expander("The report", icon=":material/description:", key="report", on_change="rerun")
    if opened.open:
        with opened, shown():
            _render(fetch())


def _render(incident: Incident) -> None:
    if incident.description:
        st.markdown(safe_markdown(incident.description))
    for note in incident.intake_notes:
        st.caption(f"Note at intake: {escape(note)}")
    for name, values in (("Metrics", incident.metrics), ("Context", incident.context)):
        if values:
            st.markdown(f"**{name}**")
            st.code(clean(json.dumps(values, indent=1, ensure_ascii=False)), language="json")
    if incident.logs:
        lines = len(incident.logs)
        newest = f", the newest {_LINES_SHOWN} shown" if lines > _LINES_SHOWN else ""
        st.markdown(f"**Log lines** ({lines}{newest})")
        st.code(clean("\n".join(incident.logs[-_LINES_SHOWN:])), language=None, wrap_lines=True, height=240)
        st.download_button(
            "Download all log lines",
            lambda: clean("\n".join(incident.logs)),
            file_name="reported-log.txt",
            mime="text/plain",
            icon=":material/download:",
            on_click="ignore",
            key="download_report",
        )
    if incident.emptied_at:
        st.caption(
            f"Log lines, metrics and context were removed on {incident.emptied_at:%Y-%m-%d}, as the"
            " installation's retention says. Evidence, decisions and documents stay."
        )
    elif not (incident.description or incident.metrics or incident.context or incident.logs):
        render_empty("Service, severity and title are all that was reported.")
