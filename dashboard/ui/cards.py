"""One incident, one run, one waiting approval: each as a card that reads well on a phone."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from dashboard.domain.approval import Approval, WaitingApproval
from dashboard.domain.clock import age_words, duration_words
from dashboard.domain.execution import ExecutionRecord
from dashboard.domain.incident import Incident
from dashboard.domain.steps import step_title
from dashboard.routes import APPROVAL, INCIDENT, POSTMORTEM
from dashboard.store.executions import Owed
from dashboard.ui.chips import NEEDS_HUMAN, approval_chip, line, severity_chip, state_chip, status_chip
from dashboard.ui.links import render_link
from dashboard.ui.proposal import find_proposal
from dashboard.ui.text import escape
from dashboard.ui.times import deadline, unbroken, with_age

_SOURCES = {"webhook": "a webhook, submitter unknown", "import": "import of history"}


def reporter(incident: Incident) -> str:
    """Who handed an incident in, as Markdown."""
    return escape(incident.submitted_by_name or _SOURCES.get(incident.source, "somebody unknown"))


def render_waiting(approval: WaitingApproval, now: datetime) -> None:
    """A proposal that waits, and whether it waits for the reader."""
    with st.container(border=True, gap="xsmall"):
        mine = ":green-badge[:material/person: you may decide]" if approval.may_decide else ""
        st.markdown(
            f"{severity_chip(approval.severity).markdown()} {escape(approval.service)} "
            f":small[{escape(approval.external_id)}] {mine}"
        )
        render_link(APPROVAL, approval.title, strong=True, id=approval.id)
        st.markdown(escape(approval.summary))
        asked = escape(approval.requested_by_name or "an alert, submitter unknown")
        st.caption(f"{deadline(approval.deadline_at, now)}. Asked for by {asked}.")
        if not approval.may_decide and approval.why_not:
            st.caption(escape(approval.why_not))


def render_settled(approval: Approval, now: datetime) -> None:
    """A proposal that is over: by whom, when, why."""
    proposal = find_proposal(approval)
    with st.container(border=True, gap="xsmall"):
        where = proposal.incident if proposal else None
        chips = line(approval_chip(approval), severity_chip(where.severity) if where else None)
        st.markdown(f"{chips} {escape(where.service)}" if where else chips)
        title = where.title if where else f"Approval {approval.id}"
        render_link(APPROVAL, title, strong=True, id=approval.id)
        st.caption("  \n".join(record_sentences(approval, now)))


def record_sentences(approval: Approval, now: datetime) -> list[str]:
    """Who decided what, when and why, as Markdown lines."""
    sentences = []
    if approval.decided_at:
        who = escape(approval.decided_by_name or "Somebody")
        sentences.append(f"{who} {approval.status} this {with_age(approval.decided_at, now)}.")
    if approval.decision_reason:
        sentences.append(f"Reason: {escape(approval.decision_reason)}")
    if approval.cause:
        sentences.append(f"Cause: {escape(approval.cause)}")
    return sentences or [f"Asked for {with_age(approval.created_at, now)}."]


def render_run(run: ExecutionRecord, incident: Incident | None, now: datetime) -> None:
    """A run in one line: what, where it is, since when."""
    with st.container(border=True, gap="xsmall"):
        chips = line(
            severity_chip(incident.severity) if incident else None, state_chip(run.state or "CREATED")
        )
        service = f" {escape(incident.service)}" if incident else ""
        st.markdown(chips + service)
        title = incident.title if incident else "Incident"
        render_link(INCIDENT, title, strong=True, id=run.incident_id)
        if run.ended_at:
            took = duration_words((run.ended_at - run.started_at).total_seconds()) if run.started_at else ""
            st.caption(
                f"Ended {with_age(run.ended_at, now)}" + (f" after {unbroken(took)}." if took else ".")
            )
        else:
            at = f"{escape(step_title(run.step))}, " if run.step else "Running "
            since = age_words(run.started_at, now).removesuffix(" ago") if run.started_at else "?"
            st.caption(f"{at}for {since}.")


def render_start(start: Owed, incident: Incident, now: datetime) -> None:
    """A run that is owed and that no execution has claimed yet."""
    with st.container(border=True, gap="xsmall"):
        chip = severity_chip(incident.severity).markdown()
        st.markdown(f"{chip} :blue-badge[:material/sync: being started] {escape(incident.service)}")
        render_link(INCIDENT, incident.title, strong=True, id=incident.id)
        st.caption(f"Being started since {with_age(start.created_at, now)}.")
        if start.last_error:
            st.caption(f"Last try: {escape(start.last_error)} It is tried again by itself.")


def render_incident(incident: Incident, now: datetime) -> None:
    """An incident in a list."""
    with st.container(border=True, gap="xsmall"):
        chips = line(
            severity_chip(incident.severity),
            status_chip(incident.status),
            NEEDS_HUMAN if incident.needs_human else None,
        )
        st.markdown(f"{chips} {escape(incident.service)} :small[{escape(incident.external_id)}]")
        render_link(INCIDENT, incident.title, strong=True, id=incident.id)
        times = f", reported {incident.occurrences} times" if incident.occurrences > 1 else ""
        st.caption(f"{with_age(incident.created_at, now)} by {reporter(incident)}{times}.")


def render_postmortem(incident: Incident, summary: str, completed_at: datetime, now: datetime) -> None:
    """A document in a list."""
    with st.container(border=True, gap="xsmall"):
        chips = line(severity_chip(incident.severity), status_chip(incident.status))
        st.markdown(f"{chips} {escape(incident.service)} :small[{escape(incident.external_id)}]")
        render_link(POSTMORTEM, incident.title, strong=True, id=incident.id)
        if summary:
            st.markdown(escape(summary))
        st.caption(f"Written {with_age(completed_at, now)}.")
