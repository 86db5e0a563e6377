"""What the model made of the incident, as it comes in."""

from __future__ import annotations

import streamlit as st

from dashboard.domain.analysis import AiAnalysis, ErrorCluster
from dashboard.domain.redaction import kinds
from dashboard.ui.chips import confidence_chip
from dashboard.ui.errors_view import render_empty
from dashboard.ui.evidence import render_statement
from dashboard.ui.markdown import safe_markdown
from dashboard.ui.text import code, escape


def render_analysis(found: AiAnalysis | None) -> None:
    """Root cause, impact, confidence, clusters; or what is there instead of them."""
    if found is None or (found.analysis is None and found.problem is None and not found.evidence):
        render_empty("Nothing yet: evidence is gathered first, then the cause is analysed.")
        return
    if found.problem:
        render_problem(found)
    if found.analysis:
        analysis = found.analysis
        render_statement("Root cause", analysis.root_cause, found.evidence, key="root_cause")
        reason = f" {escape(analysis.confidence_reason)}" if analysis.confidence_reason else ""
        st.markdown(f"{confidence_chip(analysis.confidence_level).markdown()}{reason}")
        render_statement("Impact", analysis.impact, found.evidence, key="impact")
    elif found.root_cause:  # imported history has the text and no checked analysis
        st.markdown(f"**Root cause**  \n{safe_markdown(found.root_cause)}")
    render_clusters(found.error_clusters)
    render_model(found)


def render_clusters(clusters: tuple[ErrorCluster, ...]) -> None:
    """Similar errors, counted."""
    if not clusters:
        return
    st.markdown("**Error clusters**")
    for cluster in clusters:
        numbers = " ".join(f":blue-badge[{n}]" for n in cluster.evidence)
        st.markdown(f"- **{cluster.count} times** {code(cluster.label)} {numbers}")


def render_problem(found: AiAnalysis) -> None:
    """What was wrong with the model's answers; what is missing is not made up."""
    st.warning(escape(found.problem or ""), title="The model's answer is incomplete", icon=":material/rule:")


def render_model(found: AiAnalysis) -> None:
    """Who wrote this, and what was hidden from it."""
    if not found.model and not found.redactions:
        return
    parts = []
    if found.model:
        parts.append(f"Written by the model {code(found.model)}; check before you rely on it.")
    if hidden := kinds(found.redactions):
        parts.append(f"Taken out before the model saw anything: {escape(', '.join(hidden))}.")
    st.caption("  \n".join(parts))
