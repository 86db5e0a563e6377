"""An approval as a record: waiting, decided, on its way, arrived."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from dashboard.domain.approval import Approval, ApprovalStatus
from dashboard.domain.incident import Incident
from dashboard.routes import APPROVAL
from dashboard.store.executions import Owed
from dashboard.ui.cards import record_sentences
from dashboard.ui.chips import approval_chip, severity_chip
from dashboard.ui.clocks import render_countdown
from dashboard.ui.known import Known
from dashboard.ui.links import render_link
from dashboard.ui.page_header import render_page_header
from dashboard.ui.proposal import find_proposal
from dashboard.ui.text import code, escape
from dashboard.ui.times import deadline, with_age

_STANDINGS = {
    ApprovalStatus.PENDING: "It waits for a decision.",
    ApprovalStatus.APPROVED: "It was approved.",
    ApprovalStatus.REJECTED: "It was rejected.",
    ApprovalStatus.EXPIRED: "Nobody decided in time.",
    ApprovalStatus.CANCELLED: "It was cancelled.",
}


def render_approval_state(approval: Approval, now: datetime) -> None:
    """In short, beside the incident, with a link to the page that decides."""
    st.markdown(approval_chip(approval).markdown())
    if proposal := find_proposal(approval):
        st.markdown(escape(proposal.statement))
    if approval.is_pending:
        st.caption(deadline(approval.deadline_at, now))
        render_link(APPROVAL, "The proposal", id=approval.id)
        return
    st.caption("  \n".join(record_sentences(approval, now) + delivery_lines(approval, None, now)))
    render_link(APPROVAL, "The proposal and its record", id=approval.id)


def delivery_lines(approval: Approval, delivery: Owed | None, now: datetime) -> list[str]:
    if approval.delivered_at:
        return [f"Delivered to the flow {with_age(approval.delivered_at, now)}."]
    if not approval.is_being_delivered:
        return []
    since = approval.decided_at or (delivery.created_at if delivery else approval.deadline_at)
    lines = [f":blue-badge[:material/sync: being delivered] to the flow since {with_age(since, now)}."]
    if delivery and delivery.last_error:
        lines.append(f"Last try: {escape(delivery.last_error)} It is tried again by itself.")
    return lines


def render_approval_header(known: Known[Approval], incident: Incident, now: datetime) -> None:
    """What is asked, about what, by whom, and how long there is to decide."""
    approval = known.value
    asked = approval.requested_by_name or "an alert, submitter unknown"
    sentence = f"{_STANDINGS[approval.status]} Asked for by {asked} {with_age(approval.created_at, now)}."
    render_page_header(incident.title, sentence, known)
    st.markdown(
        f"{severity_chip(incident.severity).markdown()} {approval_chip(approval).markdown()} "
        f"**{escape(incident.service)}** {code(incident.external_id)}"
    )
    if approval.is_pending:
        render_countdown("deadline", approval.deadline_at, now)
