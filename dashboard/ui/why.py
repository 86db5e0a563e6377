"""Why a proposal was made, and by which rule a person is asked."""

from __future__ import annotations

import streamlit as st

from dashboard.domain.analysis import AiAnalysis
from dashboard.domain.approval import ApprovalRule
from dashboard.ui.analysis import render_model, render_problem
from dashboard.ui.chips import confidence_chip
from dashboard.ui.evidence import cited, render_evidence
from dashboard.ui.text import escape


def render_why(found: AiAnalysis | None, rule: ApprovalRule) -> None:
    """Root cause with its evidence, confidence, impact, rule."""
    if found and found.problem:
        render_problem(found)
    if found and found.analysis:
        analysis, known = found.analysis, [item.n for item in found.evidence]
        st.markdown(cited(analysis.root_cause.text, analysis.root_cause.evidence, known))
        st.markdown(cited(analysis.impact.text, analysis.impact.evidence, known))
        st.markdown(
            f"{confidence_chip(analysis.confidence_level).markdown()} {escape(analysis.confidence_reason)}"
        )
        numbers = {*analysis.root_cause.evidence, *analysis.impact.evidence}
        with st.expander("The evidence it rests on", icon=":material/fact_check:", key="why_evidence"):
            render_evidence(found.evidence, numbers=numbers)
        render_model(found)
    else:
        st.caption("There is no usable analysis: decide on the proposal as it stands, or reject it.")
    own = " The organization allows deciding on one's own incidents." if rule.self_approval_allowed else ""
    deciders = ", ".join(escape(name) for name in rule.deciders) or "nobody who is active"
    st.markdown(f"**Rule**: {escape(rule.rule)} May decide: {deciders}.{own}")
