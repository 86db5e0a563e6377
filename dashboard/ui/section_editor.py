"""Editing a section in its place: what is typed is kept at once, and two writers lose nothing.

An edit names the version of the section it began from. Where somebody else was faster, both texts are shown
and the person chooses; nothing is overwritten without being seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import streamlit as st

from dashboard.domain.document import Document, DocumentSection
from dashboard.domain.postmortem import Section, SectionDraft
from dashboard.errors import IncidentScribeError, StaleVersion
from dashboard.ui.differences import render_difference
from dashboard.ui.document import render_section
from dashboard.ui.errors_view import render_error
from dashboard.ui.text import escape
from dashboard.ui.times import with_age

LONGEST = 20_000


@dataclass(frozen=True, slots=True)
class SectionDesk:
    """What the page lends the editor. All may raise errors of our tree.

    `save(section, text, base_version)`: text None is the model's again. `keep` holds what is typed.
    `why_not` says why this person may not write; empty: they may.
    """

    save: Callable[[Section, str | None, int], object]
    keep: Callable[[Section, str | None, int], None]
    drafts: Mapping[str, SectionDraft]
    why_not: str = ""


class _Place:
    """Names of one section's state in the session."""

    def __init__(self, document: Document, section: Section) -> None:
        here = f"{section.value}_{document.incident.id}"
        self.text, self.base, self.error = f"text_{here}", f"base_{here}", f"error_{here}"


def render_editable(document: Document, section: DocumentSection, desk: SectionDesk, now: datetime) -> None:
    """A section with its heading: to read, or to write."""
    place = _Place(document, section.section)
    is_open = place.base in st.session_state
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.subheader(section.title, anchor=section.section.value, width="stretch")
        if not is_open:
            st.button(
                "Write" if section.is_missing else "Edit",
                key=f"edit_{section.section.value}",
                icon=":material/edit:",
                type="tertiary",
                help=escape(desk.why_not) or f"Edit {section.title.lower()}",
                disabled=bool(desk.why_not),
                on_click=_open,
                args=(place, section, None),
            )
    if is_open:
        _render_editor(document, section, desk, place, now)
        return
    _render_unsaved(section, desk, place, now)
    render_section(document, section, now)


def _open(place: _Place, section: DocumentSection, draft: SectionDraft | None) -> None:
    st.session_state[place.base] = draft.base_version if draft else section.version
    st.session_state[place.text] = draft.content if draft else section.as_text()


def _close(place: _Place) -> None:
    for name in (place.base, place.text, place.error):
        st.session_state.pop(name, None)


def _render_unsaved(section: DocumentSection, desk: SectionDesk, place: _Place, now: datetime) -> None:
    """Text from another tab or from before a reload."""
    draft = desk.drafts.get(section.section.value)
    if draft is None or desk.why_not:
        return
    with st.container(border=True, gap="xsmall"):
        st.markdown(
            f":material/draft: You have text here that is not saved, typed {with_age(draft.at, now)}."
        )
        with st.container(horizontal=True):
            st.button(
                "Go on with it",
                key=f"resume_{section.section.value}",
                on_click=_open,
                args=(place, section, draft),
            )
            st.button(
                "Throw it away",
                key=f"discard_{section.section.value}",
                type="tertiary",
                on_click=_drop,
                args=(place, section, desk),
            )


def _render_editor(
    document: Document, section: DocumentSection, desk: SectionDesk, place: _Place, now: datetime
) -> None:
    base = int(st.session_state[place.base])
    faster = section.version != base
    if faster:
        _render_both(document, section, place, now)
    st.text_area(
        f"Your text of {section.title.lower()}" if faster else section.title,
        key=place.text,
        height=320,
        max_chars=LONGEST,
        help="Markdown: \\*\\*bold\\*\\*, lists, \\`code\\`. \\[1, 2\\] names evidence. "
        "Pictures, HTML and hidden links stay text.",
        on_change=_keep,
        args=(place, section, desk),
        persist_state="page",
    )
    error: IncidentScribeError | None = st.session_state.get(place.error)
    if error and not isinstance(error, StaleVersion):
        render_error(error)
    with st.container(horizontal=True):
        st.button(
            f"Save mine in place of {_whose(section)}" if faster else "Save",
            key=f"save_{section.section.value}",
            icon=":material/check:",
            type="secondary" if faster else "primary",
            disabled=bool(desk.why_not),
            help=escape(desk.why_not) or None,
            on_click=_save,
            # Having seen their text, the person writes over exactly that.
            args=(place, section, desk, section.version),
        )
        st.button(
            "Keep theirs, drop mine" if faster else "Cancel",
            key=f"cancel_{section.section.value}",
            on_click=_drop,
            args=(place, section, desk),
        )
        if section.text is not None and not faster:
            st.button(
                "Back to the model's text",
                key=f"restore_{section.section.value}",
                type="tertiary",
                icon=":material/smart_toy:",
                disabled=bool(desk.why_not),
                help=escape(desk.why_not) or None,
                on_click=_restore,
                args=(place, section, desk),
            )


def _whose(section: DocumentSection) -> str:
    return f"{escape(section.by)}'s" if section.by else "theirs"


def _render_both(document: Document, section: DocumentSection, place: _Place, now: datetime) -> None:
    who = escape(section.by or "Somebody")
    when = f" {with_age(section.at, now)}" if section.at else ""
    st.warning(
        f"{who} changed this section{when}, while you were writing. Nothing was overwritten and your text "
        "is kept. Take over what you need into your text, then choose.",
        title="Two people wrote here",
        icon=":material/call_split:",
    )
    st.markdown(f"**Text of {who}, as it stands now**")
    with st.container(border=True):
        render_section(document, section, now)
    with st.expander("What differs: theirs, then yours", icon=":material/difference:"):
        render_difference(section.as_text(), str(st.session_state.get(place.text) or ""))


# A press may be carried out twice, when another run of the page comes between: the second finds nothing open.


def _keep(place: _Place, section: DocumentSection, desk: SectionDesk) -> None:
    if place.base not in st.session_state:
        return
    try:
        desk.keep(
            section.section, str(st.session_state.get(place.text) or ""), int(st.session_state[place.base])
        )
        st.session_state.pop(place.error, None)
    except IncidentScribeError as error:
        st.session_state[place.error] = error


def _save(place: _Place, section: DocumentSection, desk: SectionDesk, over: int) -> None:
    if place.base not in st.session_state:
        return
    try:
        desk.save(section.section, str(st.session_state.get(place.text) or ""), over)
    except IncidentScribeError as error:
        # The text stays in the field; where somebody was faster, the next drawing shows both.
        st.session_state[place.error] = error
        return
    _close(place)
    st.toast(f"{section.title} is saved.", icon=":material/check:")


def _drop(place: _Place, section: DocumentSection, desk: SectionDesk) -> None:
    try:
        desk.keep(section.section, None, 0)
    except IncidentScribeError as error:
        st.session_state[place.error] = error
        return
    _close(place)


def _restore(place: _Place, section: DocumentSection, desk: SectionDesk) -> None:
    try:
        desk.save(section.section, None, section.version)
    except IncidentScribeError as error:
        st.session_state[place.error] = error
        return
    _close(place)
