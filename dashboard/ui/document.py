"""The postmortem as a document: fixed order of sections, each statement with its evidence."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard.domain.analysis import AiAnalysis
from dashboard.domain.clock import parse_instant
from dashboard.domain.evidence import Sentence
from dashboard.domain.postmortem import ActionItem, Documentation, Remediation, TimelineEntry
from dashboard.ui.analysis import render_clusters
from dashboard.ui.chips import Chip, confidence_chip
from dashboard.ui.evidence import cited, render_sentences
from dashboard.ui.text import clean, escape
from dashboard.ui.times import absolute

_PRIORITIES = {"HIGH": "orange", "MEDIUM": "yellow", "LOW": "blue"}


def render_document(found: AiAnalysis) -> None:
    """All sections; one that the model did not write is named as missing."""
    known = [item.n for item in found.evidence]
    written = found.documentation or Documentation()
    _section("Summary", written.executive_summary, known)
    st.subheader("Timeline")
    _render_timeline(written.timeline, known)
    st.subheader("Root cause")
    if found.analysis:
        st.markdown(cited(found.analysis.root_cause.text, found.analysis.root_cause.evidence, known))
        st.markdown(
            f"{confidence_chip(found.analysis.confidence_level).markdown()} "
            f"{escape(found.analysis.confidence_reason)}"
        )
    elif found.root_cause:  # imported history has the sentence and no checked analysis
        st.markdown(cited(found.root_cause, (), known))
    render_sentences(written.root_cause_analysis, known)
    if not (found.analysis or found.root_cause or written.root_cause_analysis):
        _missing()
    st.subheader("Impact")
    _render_impact(found, known)
    render_clusters(found.error_clusters)
    st.subheader("Remediation")
    _render_remediation(found.remediation, known)
    _section("Preventive measures", written.preventive_measures, known, bullets=True)
    st.subheader("Action items")
    _render_items(written.action_items, known)


def _section(
    title: str, sentences: Sequence[Sentence], known: Sequence[int], *, bullets: bool = False
) -> None:
    st.subheader(title)
    if sentences:
        render_sentences(sentences, known, bullets=bullets)
    else:
        _missing()


def _missing() -> None:
    st.caption("Not written.")


def _render_timeline(entries: Sequence[TimelineEntry], known: Sequence[int]) -> None:
    if not entries:
        _missing()
    for entry in entries:
        at = f":small[:gray[{_moment(entry.at)}]]  \n" if entry.at else ""
        st.markdown(at + cited(entry.text, entry.evidence, known))


def _moment(at: str) -> str:
    """A moment as every other on the screen; what is none stays as it was written."""
    try:
        return absolute(parse_instant(at))
    except ValueError:
        return escape(at)


def _render_impact(found: AiAnalysis, known: Sequence[int]) -> None:
    if found.analysis:
        st.markdown(cited(found.analysis.impact.text, found.analysis.impact.evidence, known))
    elif found.impact:
        st.markdown(cited(found.impact, (), known))
    else:
        _missing()


def _render_remediation(plan: Remediation | None, known: Sequence[int]) -> None:
    if plan is None or not plan.steps:
        _missing()
        return
    for number, step in enumerate(plan.steps, 1):
        st.markdown(f"**{number}.** {cited(step.text, step.evidence, known)}")
        if step.command:
            st.code(clean(step.command), language=None, wrap_lines=True)
    for title, sentences in (("Verification", plan.verification), ("Rollback", plan.rollback)):
        if sentences:
            st.markdown(f"**{title}**")
            render_sentences(sentences, known, bullets=True)
    st.caption("Commands are text to read. Nothing on this page runs them.")


def _render_items(items: Sequence[ActionItem], known: Sequence[int]) -> None:
    if not items:
        _missing()
    for item in items:
        chip = Chip(f"{item.priority.lower()} priority", "flag", _PRIORITIES[item.priority])
        owner = escape(item.owner) if item.owner else "nobody named"
        st.markdown(
            f"- {cited(item.title, item.evidence, known)}  \n  {chip.markdown()} :small[Owner: {owner}]"
        )
