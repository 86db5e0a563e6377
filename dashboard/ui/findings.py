"""Beside the steps: decision, escalation, effects, analysis, as they come in."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from dashboard.domain.analysis import AiAnalysis
from dashboard.routes import POSTMORTEM
from dashboard.store.cases import Case, Findings
from dashboard.ui.actions import render_action_runs
from dashboard.ui.analysis import render_analysis
from dashboard.ui.approval_state import render_approval_state
from dashboard.ui.escalation import render_escalations
from dashboard.ui.evidence import cited
from dashboard.ui.links import render_link

_SUMMARY_SENTENCES = 3


def render_findings(case: Case, found: Findings, now: datetime) -> None:
    """What a person needs first stands first."""
    render_escalations(found.escalations, now)
    if case.approvals:
        st.subheader("Approval", anchor=False)
        render_approval_state(case.approvals[0], now)
    if found.action_runs:
        st.subheader("Carried out", anchor=False)
        render_action_runs(found.action_runs, now)
    if found.analysis and (found.analysis.documentation or found.analysis.completed_at):
        render_summary(case, found.analysis)
    st.subheader("Analysis", anchor=False)
    if found.analysis and is_of_earlier_run(case, found.analysis):
        st.caption("This is from an earlier run; the latest one has not come so far yet.")
    render_analysis(found.analysis)


def is_of_earlier_run(case: Case, analysis: AiAnalysis) -> bool:
    """Whether the analysis was written by another run than the latest."""
    return case.run is not None and analysis.kestra_execution_id not in (None, case.run.kestra_execution_id)


def render_summary(case: Case, analysis: AiAnalysis) -> None:
    """The beginning of the postmortem, and the way to it."""
    st.subheader("Postmortem", anchor=False)
    known = [item.n for item in analysis.evidence]
    summary = analysis.documentation.executive_summary if analysis.documentation else ()
    for sentence in summary[:_SUMMARY_SENTENCES]:
        st.markdown(cited(sentence.text, sentence.evidence, known))
    if not summary:
        st.caption("Its summary was not written.")
    render_link(POSTMORTEM, "Read the postmortem", strong=True, id=case.incident.id)
