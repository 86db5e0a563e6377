"""The page of a document put together: text between its contents and its evidence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import streamlit as st

from dashboard.domain.document import Document
from dashboard.domain.postmortem import Section
from dashboard.store.postmortems import Writing
from dashboard.ui.action_items import ItemDesk, render_items
from dashboard.ui.document import (
    READING_WIDTH,
    RECORDED,
    render_clusters,
    render_contents,
    render_decisions,
    render_facts,
    render_timeline,
)
from dashboard.ui.evidence_panel import render_evidence_beside
from dashboard.ui.section_editor import SectionDesk, render_editable
from dashboard.ui.text import escape
from dashboard.ui.versions import render_versions


@dataclass(frozen=True, slots=True)
class Desks:
    """What people can do here, and how to get at other versions."""

    sections: SectionDesk
    items: ItemDesk
    go: Callable[[int | None], None]
    compose_at: Callable[[int], Document]


def number_in_address(name: str) -> int | None:
    """A number in the page's address, or None when there is none or it is no such thing."""
    wanted = st.query_params.get(name, "")
    return int(wanted) if wanted.isascii() and wanted.isdigit() and len(wanted) < 8 else None


def show_version(version: int | None) -> None:
    """Lead to a version of this document; None: the newest."""
    if version is None:
        st.query_params.pop("version", None)
    else:
        st.query_params["version"] = str(version)


def render_writing(writing: tuple[Writing, ...]) -> None:
    """Who else is at it, so that two people do not write the same."""
    for one in writing:
        title = Section(one.section).heading if one.section in set(Section) else "a section"
        st.caption(f":material/edit: {escape(one.name)} is writing in {title}.")


def render_document(document: Document, desks: Desks, now: datetime) -> None:
    """Contents, text, evidence: side by side where there is room, else in this order."""
    render_facts(document)
    contents, text, evidence = st.columns([2, 8, 4], gap="medium")
    with contents:
        render_contents(document)
    with text, st.container(width=READING_WIDTH):
        _render_text(document, desks, now)
    with evidence:
        render_evidence_beside(document, number_in_address("evidence"))


def _render_text(document: Document, desks: Desks, now: datetime) -> None:
    if not document.is_complete:
        st.info("The run is not over: this document is unfinished.", icon=":material/edit_note:")
    if document.problem:
        st.warning(escape(document.problem), title="The model's answer is incomplete", icon=":material/rule:")
    for section in document.sections:
        render_editable(document, section, desks.sections, now)
        if section.section is Section.SUMMARY:
            st.subheader(RECORDED["recorded"], anchor="recorded")
            render_timeline(document)
        elif section.section is Section.IMPACT:
            render_clusters(document)
    st.subheader(RECORDED["decisions"], anchor="decisions")
    render_decisions(document)
    st.subheader(RECORDED["action_items"], anchor="action_items")
    render_items(document, desks.items, now)
    st.subheader(RECORDED["versions"], anchor="versions")
    render_versions(document, desks.go, desks.compose_at, now)
