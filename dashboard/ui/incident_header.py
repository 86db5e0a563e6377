"""The head of an incident: what it is, how it stands, who reported it."""

from __future__ import annotations

import json
from datetime import datetime

import streamlit as st

from dashboard.domain.incident import Incident, SubmitReceipt
from dashboard.ui.cards import reporter
from dashboard.ui.chips import NEEDS_HUMAN, line, severity_chip, status_chip
from dashboard.ui.markdown import safe_markdown
from dashboard.ui.text import clean, code, escape
from dashboard.ui.times import absolute, with_age


def render_incident_header(incident: Incident, now: datetime) -> None:
    """Title, chips, one sentence of facts, and why a person is needed."""
    st.title(escape(incident.title), anchor=False)
    human = NEEDS_HUMAN if incident.needs_human else None
    chips = line(severity_chip(incident.severity), status_chip(incident.status), human)
    st.markdown(f"{chips} **{escape(incident.service)}** {code(incident.external_id)}")
    facts = [f"Reported {with_age(incident.created_at, now)} by {reporter(incident)}"]
    if incident.occurrences > 1:
        facts.append(f"seen {incident.occurrences} times")
    if incident.resolved_at:
        facts.append(f"resolved {with_age(incident.resolved_at, now)}")
    st.caption(", ".join(facts) + ".")
    if incident.needs_human:
        st.warning(
            escape(incident.needs_human_reason or "No reason was recorded."),
            title="A person has to look",
            icon=":material/front_hand:",
        )


def render_postmortem_header(incident: Incident, now: datetime) -> None:
    """The head of the document."""
    st.title(escape(incident.title), anchor=False)
    chips = line(severity_chip(incident.severity), status_chip(incident.status))
    st.markdown(f"{chips} **{escape(incident.service)}** {code(incident.external_id)}")
    ends = f", resolved {absolute(incident.resolved_at)}" if incident.resolved_at else ", not resolved yet"
    st.caption(f"Reported {with_age(incident.created_at, now)}{ends}.")


def render_joined(receipt: SubmitReceipt, now: datetime) -> None:
    """The report that was just sent met an incident that is open already."""
    started = "A new run was started." if receipt.run_id else "Its run goes on; no second one was started."
    st.info(
        f"Already open since {with_age(receipt.opened_at, now)}, seen {receipt.occurrences} times. "
        f"Your report is kept with it. {started}",
        icon=":material/merge:",
    )


def render_report(incident: Incident) -> None:
    """What was handed in, as it was handed in."""
    with st.expander("The report", icon=":material/description:", key="report"):
        if incident.description:
            st.markdown(safe_markdown(incident.description))
        for note in incident.intake_notes:
            st.caption(f"Note at intake: {escape(note)}")
        for name, values in (("Metrics", incident.metrics), ("Context", incident.context)):
            if values:
                st.markdown(f"**{name}**")
                st.code(clean(json.dumps(values, indent=1, ensure_ascii=False)), language="json")
        if incident.logs:
            st.markdown(f"**Log lines** ({len(incident.logs)})")
            st.code(clean("\n".join(incident.logs[-200:])), language=None, wrap_lines=True, height=240)
        if not (incident.description or incident.metrics or incident.context or incident.logs):
            st.caption("Service, severity and title are all that was reported.")
