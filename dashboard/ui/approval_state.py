"""An approval as a record: waiting, decided, on its way, arrived."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from dashboard.domain.approval import Approval, ApprovalStatus, Vote
from dashboard.domain.incident import Incident
from dashboard.routes import APPROVAL
from dashboard.store.executions import Owed
from dashboard.ui.actions import outcome_sentence
from dashboard.ui.cards import record_sentences
from dashboard.ui.chips import approval_chip, severity_chip
from dashboard.ui.links import render_link
from dashboard.ui.text import code, escape
from dashboard.ui.times import absolute, deadline, with_age


def render_approval_state(approval: Approval, now: datetime) -> None:
    """In short, beside the incident, with a link to the page that decides."""
    st.markdown(approval_chip(approval).markdown())
    if approval.is_pending:
        st.caption(deadline(approval.deadline_at, now))
        render_link(APPROVAL, "The proposal", id=approval.id)
        return
    st.caption("  \n".join(record_sentences(approval, now) + _delivery(approval, None, now)))
    render_link(APPROVAL, "The proposal and its record", id=approval.id)


def render_record(approval: Approval, votes: Sequence[Vote], delivery: Owed | None, now: datetime) -> None:
    """The whole record: who, when, why, on which text, and what came of it."""
    lines = record_sentences(approval, now)
    lines.append(f"Text decided on: SHA-256 `{approval.content_hash[:12]}…`")
    lines += _delivery(approval, delivery, now)
    if outcome := outcome_sentence(approval):
        lines.append(f"**Outcome**: {outcome}")
    st.markdown("  \n".join(lines))
    if len(votes) > 1:
        for vote in votes:
            st.caption(f"{escape(vote.voter_name)} {vote.decision} {absolute(vote.at)}")
    if approval.status is ApprovalStatus.CANCELLED:
        st.info("Submit the incident again to start a new run.", icon=":material/restart_alt:")


def _delivery(approval: Approval, delivery: Owed | None, now: datetime) -> list[str]:
    if approval.delivered_at:
        return [f"Delivered to the flow {with_age(approval.delivered_at, now)}."]
    if not approval.is_being_delivered:
        return []
    since = approval.decided_at or (delivery.created_at if delivery else approval.deadline_at)
    lines = [f":blue-badge[:material/sync: being delivered] to the flow since {with_age(since, now)}."]
    if delivery and delivery.last_error:
        lines.append(f"Last try: {escape(delivery.last_error)} It is tried again by itself.")
    return lines


def render_approval_header(approval: Approval, incident: Incident, now: datetime) -> None:
    """What is asked, about what, until when."""
    st.title(escape(incident.title), anchor=False)
    st.markdown(
        f"{severity_chip(incident.severity).markdown()} {approval_chip(approval).markdown()} "
        f"**{escape(incident.service)}** {code(incident.external_id)}"
    )
    asked = escape(approval.requested_by_name or "an alert, submitter unknown")
    until = f" {deadline(approval.deadline_at, now)}." if approval.is_pending else ""
    st.caption(f"Asked for by {asked} {with_age(approval.created_at, now)}.{until}")
