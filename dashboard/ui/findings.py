"""Beside the steps: decision, escalation, effects, analysis, as they come in."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from dashboard.domain.clock import duration_words
from dashboard.routes import APPROVAL, POSTMORTEM
from dashboard.store.cases import Case, Findings
from dashboard.ui.actions import render_action_runs
from dashboard.ui.analysis import render_analysis
from dashboard.ui.approval_state import render_approval_state
from dashboard.ui.escalation import render_escalations
from dashboard.ui.links import render_link


def render_pending(case: Case, now: datetime) -> None:
    """What waits for a decision, where a phone shows it first."""
    for approval in case.approvals:
        if approval.is_pending:
            left = duration_words(max(0.0, (approval.deadline_at - now).total_seconds()))
            render_link(APPROVAL, f"Read the proposal: {left} to decide", strong=True, id=approval.id)


def render_findings(case: Case, found: Findings, now: datetime) -> None:
    """What a person needs first stands first."""
    if case.approvals:
        st.subheader("Approval", anchor=False)
        render_approval_state(case.approvals[0], now)
    render_escalations(found.escalations, now)
    if found.action_runs:
        st.subheader("Carried out", anchor=False)
        render_action_runs(found.action_runs, now)
    st.subheader("Analysis", anchor=False)
    render_analysis(found.analysis)
    if found.analysis and (found.analysis.documentation or found.analysis.completed_at):
        render_link(POSTMORTEM, "Read the postmortem", id=case.incident.id)
