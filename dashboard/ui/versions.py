"""The history of a document: who did what, when, and what differs between any two versions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

import streamlit as st

from dashboard.domain.document import Document, VersionNote
from dashboard.ui.chips import postmortem_chip
from dashboard.ui.differences import render_difference
from dashboard.ui.errors_view import shown
from dashboard.ui.text import escape
from dashboard.ui.times import with_age

_SHOWN_AT_ONCE = 8


def render_versions(
    document: Document, go: Callable[[int | None], None], compose_at: Callable[[int], Document], now: datetime
) -> None:
    """Newest first. `compose_at` answers the document as of a version; 0 is the model's own."""
    if not document.versions:
        st.caption("Nobody has changed anything: this is the model's text.")
        return
    for note in document.versions[:_SHOWN_AT_ONCE]:
        _render_note(note, document, go, now)
    if older := document.versions[_SHOWN_AT_ONCE:]:
        with st.expander(f"{len(older)} older", icon=":material/history:"):
            for note in older:
                _render_note(note, document, go, now)
    with st.expander("Compare two versions", icon=":material/difference:", key="compare"), shown():
        _render_comparison({note.version: note for note in document.versions}, compose_at)


def _render_note(
    note: VersionNote, document: Document, go: Callable[[int | None], None], now: datetime
) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        chip = postmortem_chip(note.status).markdown()
        st.markdown(
            f"**{note.version}** {chip} {escape(note.by)} {escape(note.did)}  \n"
            f":small[:gray[{with_age(note.at, now)}]]",
            width="stretch",
        )
        if note.version != document.version:
            st.button("Show", key=f"show_{note.version}", type="tertiary", on_click=go, args=(note.version,))


def _render_comparison(notes: Mapping[int, VersionNote], compose_at: Callable[[int], Document]) -> None:
    numbers = [0, *sorted(notes)]

    def words(number: int) -> str:
        return (
            f"{number}: {notes[number].by} {notes[number].did}" if number in notes else "0: the model's text"
        )

    with st.container(horizontal=True):
        before = st.selectbox("From", numbers, index=len(numbers) - 2, key="before", format_func=words)
        after = st.selectbox("To", numbers, index=len(numbers) - 1, key="after", format_func=words)
    if before == after:
        st.caption("Choose two versions.")
        return
    old, new = compose_at(before), compose_at(after)
    same = True
    for section in new.sections:
        one, other = old.section(section.section).as_text(), section.as_text()
        if one != other:
            same = False
            st.markdown(f"**{section.title}**")
            render_difference(one, other)
    if old.status is not new.status:
        same = False
        st.markdown(
            f"{postmortem_chip(old.status).markdown()} became {postmortem_chip(new.status).markdown()}"
        )
    if same:
        st.caption("The text is the same.")
