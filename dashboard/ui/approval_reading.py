"""What somebody reads before they decide: what, why, how to undo it, what was decided before."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from dashboard.domain.approval import Approval, Proposal
from dashboard.routes import INCIDENT
from dashboard.store.decisions import About, ApprovalFile
from dashboard.ui.approval_inbox import render_neighbours
from dashboard.ui.approval_state import render_approval_header
from dashboard.ui.decision import render_why_not
from dashboard.ui.known import Known, read
from dashboard.ui.links import render_link
from dashboard.ui.precedent import render_precedents
from dashboard.ui.proposal import find_proposal, render_proposal, render_rollback, render_stored_text
from dashboard.ui.proposal_editor import follow_edit, render_origin
from dashboard.ui.why import render_why


def read_approval(file: ApprovalFile) -> Known[Approval]:
    """How it stands, or as this tab last knew it. Raises NotFound, UpstreamUnreachable."""
    return read(f"approval_{file.approval_id}", file.get_approval, news_tells=True)


def read_about(file: ApprovalFile, approval: Approval) -> About:
    """What it is about; also raises as `read_approval` does."""
    return read(f"about_{approval.id}", lambda: file.get_about(approval)).value


def render_top(known: Known[Approval], about: About, now: datetime) -> None:
    """What is asked, about what, what else waits; before anybody types, why this person may not decide."""
    approval = known.value
    follow_edit(approval)
    render_approval_header(known, about.incident, now)
    render_link(INCIDENT, f"Incident {about.incident.external_id}", id=about.incident.id)
    render_neighbours(about.waiting, approval.id)
    if approval.is_pending and not about.rule.may_decide:
        render_why_not(about.rule)
    if not approval.is_pending:
        st.subheader("Record", anchor=False)


def render_reading(approval: Approval, proposal: Proposal | None, about: About, now: datetime) -> None:
    """The four parts in the order of the questions."""
    if approval.supersedes is not None:
        render_origin(approval, proposal, find_proposal(about.before) if about.before else None)
    st.subheader("1. What happens if I approve", anchor=False)
    render_proposal(approval, proposal, about.service)
    render_stored_text(approval)
    st.subheader("2. Why", anchor=False)
    render_why(about.analysis, about.rule)
    st.subheader("3. If it goes wrong", anchor=False)
    render_rollback(proposal)
    st.subheader("4. What was decided before", anchor=False)
    render_precedents(about.precedents, now)
