"""The head of an incident: what it is, how it stands, who has it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import streamlit as st

from dashboard.domain.clock import age_words, duration_words
from dashboard.domain.execution import state_word
from dashboard.domain.incident import Incident, IncidentStatus, SubmitReceipt
from dashboard.domain.steps import step_title
from dashboard.routes import APPROVAL
from dashboard.store.cases import Case
from dashboard.ui.cards import reporter
from dashboard.ui.chips import NEEDS_HUMAN, line, severity_chip, status_chip
from dashboard.ui.known import Known
from dashboard.ui.links import render_link
from dashboard.ui.page_header import render_page_header
from dashboard.ui.text import clean, code, escape
from dashboard.ui.times import with_age


def render_incident_header(known: Known[Case], now: datetime, *, how: str = "pushed") -> None:
    """Title, one sentence of state, chips, facts, and why a person is needed."""
    incident = known.value.incident
    render_page_header(incident.title, state_sentence(known.value, now), known, how=how)
    human = NEEDS_HUMAN if incident.needs_human else None
    chips = line(severity_chip(incident.severity), status_chip(incident.status), human)
    st.markdown(f"{chips} **{escape(incident.service)}** {code(incident.external_id)}")
    st.caption(_facts(incident, now))
    if incident.needs_human:
        st.warning(
            escape(incident.needs_human_reason or "No reason was recorded."),
            title="A person has to look",
            icon=":material/front_hand:",
        )


def state_sentence(case: Case, now: datetime) -> str:
    """How things stand, in one plain sentence."""
    incident, run = case.incident, case.run
    if incident.status is IncidentStatus.CLOSED:
        return _since("Closed", incident.closed_at, now)
    if incident.status is IncidentStatus.RESOLVED:
        return _since("Resolved", incident.resolved_at, now)
    if case.pending:
        left = (case.pending.deadline_at - now).total_seconds()
        until = f"{duration_words(left)} are left" if left > 0 else "its deadline has passed"
        return f"The flow waits for a decision on its proposal; {until}."
    if case.is_starting:
        return "A run is being started."
    if run is None:
        return "No run has begun."
    word = state_word(run.state or "CREATED")
    if run.is_live:
        # Where it waits, the state says it all.
        at = step_title(run.step) if run.state != "PAUSED" else ""
        return f"{word.label}: {at}." if at else f"{word.label}."
    return (
        f"{_since(f'The latest run ended ({word.label.lower()})', run.ended_at, now)} The incident is open."
    )


def _since(what: str, moment: datetime | None, now: datetime) -> str:
    return f"{what} {age_words(moment, now)}." if moment else f"{what}."


def _facts(incident: Incident, now: datetime) -> str:
    """Who reported it when, who has it, whether anybody has acknowledged it; as Markdown."""
    facts = [f"Reported {with_age(incident.created_at, now)} by {reporter(incident)}"]
    if incident.occurrences > 1:
        facts.append(f"seen {incident.occurrences} times")
    holder = escape(incident.assigned_to_name) if incident.assigned_to_name else "nobody"
    if incident.acknowledged_at:
        who = escape(incident.acknowledged_by_name or "somebody")
        taken = f"acknowledged {with_age(incident.acknowledged_at, now)} by {who}"
    elif incident.status.is_live:
        taken = "not acknowledged yet"
    else:
        taken = "never acknowledged"
    return f"{', '.join(facts)}.  \nAssigned to {holder}, {taken}."


def render_ids(case: Case, address: str, kestra_page: Callable[[str], str | None]) -> None:
    """What one pastes into a chat: the address and the ids; the way to Kestra where there is one."""
    with st.popover("Link and ids", icon=":material/link:", key="ids", type="tertiary"):
        st.caption("Address of this page")
        st.code(clean(address), language=None, wrap_lines=True)
        st.caption("Incident")
        st.code(clean(case.incident.external_id), language=None, wrap_lines=True)
        if case.run and case.incident.source != "import":
            st.caption("Kestra's execution")
            st.code(clean(case.run.kestra_execution_id), language=None, wrap_lines=True)
            if page := kestra_page(case.run.kestra_execution_id):
                st.link_button("Open in Kestra", page, icon=":material/open_in_new:")


def render_pending(case: Case) -> None:
    """What waits for a decision, where a phone shows it first."""
    if approval := case.pending:
        render_link(APPROVAL, "Read the proposal", strong=True, id=approval.id)


def render_joined(receipt: SubmitReceipt, now: datetime) -> None:
    """The report that was just sent met an incident that is open already."""
    started = "A new run was started." if receipt.run_id else "Its run goes on; no second one was started."
    st.info(
        f"Already open since {with_age(receipt.opened_at, now)}, seen {receipt.occurrences} times. "
        f"Your report is kept with it. {started}",
        icon=":material/merge:",
    )
