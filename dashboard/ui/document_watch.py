"""Above a document: how fresh it is, and whether it has to be drawn anew.

The document itself is drawn when somebody presses or types something. Its head is drawn by the block that
looks again all the time, so that its age, and the notice of an outage, stay true.
"""

from __future__ import annotations

from datetime import datetime
from itertools import takewhile
from typing import Any, NamedTuple

import streamlit as st

from dashboard.domain.document import Document
from dashboard.domain.postmortem import PostmortemStatus
from dashboard.store.postmortems import PostmortemState
from dashboard.ui.document_page import render_writing
from dashboard.ui.known import Known
from dashboard.ui.page_header import render_page_header
from dashboard.ui.times import with_age


class Drawn(NamedTuple):
    """What the page was drawn from last, and the words of its head."""

    mark: str
    title: str
    sentence: str
    known: Known[Any]


class DocumentWatch:
    """What was drawn of one incident's document, in this tab."""

    def __init__(self, incident_id: str) -> None:
        self._place, self._tried = f"drawn_{incident_id}", f"tried_{incident_id}"

    @property
    def drawn(self) -> Drawn | None:
        found: Drawn | None = st.session_state.get(self._place)
        return found

    def note(self, drawn: Drawn | None) -> None:
        """For the document: what it has just drawn; None: it could not be read."""
        st.session_state[self._place] = drawn

    def render(self, state: Known[PostmortemState]) -> None:
        """Draw the head and who else is writing, or the whole page anew: when somebody changed something, and
        when an outage began or ended since it was drawn, once whatever comes of it.
        """
        drawn = self.drawn
        is_news = drawn is not None and not state.error and state.value.mark != drawn.mark
        was_away = drawn is None or drawn.known.error is not None
        if was_away is (state.error is not None):
            st.session_state.pop(self._tried, None)
        elif not st.session_state.get(self._tried):
            st.session_state[self._tried] = True
            st.rerun()
        if is_news:
            st.rerun()
        if drawn is not None:
            render_page_header(drawn.title, drawn.sentence, drawn.known if drawn.known.error else state)
        render_writing(state.value.writing)


def standing(document: Document, now: datetime) -> str:
    """How far the shown version is, and by whom, in one sentence."""
    notes = [note for note in document.versions if note.version <= document.version]
    same = list(takewhile(lambda note: note.status is document.status, notes))
    if document.status is PostmortemStatus.DRAFT or not same:
        return "A draft that people have changed." if same else "The model's draft; nobody has changed it."
    who, when = same[-1].by, with_age(same[-1].at, now)
    if document.status is PostmortemStatus.PUBLISHED:
        return f"Published by {who} {when}."
    return f"In review; {who} asked for it {when}."
