"""How far a document is, and the steps from there: review, publication, back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from dashboard.domain.document import Document
from dashboard.domain.postmortem import PostmortemStatus
from dashboard.domain.role import Role
from dashboard.errors import IncidentScribeError
from dashboard.ui.errors_view import render_error
from dashboard.ui.session import CurrentUser
from dashboard.ui.text import escape

_ERROR = "review_error"


@dataclass(frozen=True, slots=True)
class ReviewDesk:
    """What the page lends; may raise errors of our tree. The reasons say why not; empty: this person may."""

    set_status: Callable[[PostmortemStatus, int], None]
    take_newer: Callable[[int], None] | None
    why_not_write: str = ""
    why_not_publish: str = ""


def objections(user: CurrentUser, version: int, newest: int) -> tuple[str, str]:
    """Why this person may not write, and why not publish; empty where they may."""
    write = "" if user.may(Role.RESPONDER) else f"Your role is {user.person.role}; responders write."
    if not write and version != newest:
        write = f"Only the newest version can be changed; this is version {version}."
    publish = "" if user.may(Role.APPROVER) else f"Your role is {user.person.role}; an approver publishes."
    return write, write or publish


def render_review(document: Document, desk: ReviewDesk) -> None:
    """The next step as a button, drawn where the document's head is."""
    if document.status is PostmortemStatus.DRAFT:
        _step("Ask for review", "rate_review", PostmortemStatus.IN_REVIEW, document, desk, desk.why_not_write)
    elif document.status is PostmortemStatus.IN_REVIEW:
        _step("Publish", "verified", PostmortemStatus.PUBLISHED, document, desk, desk.why_not_publish)
        _step("Back to draft", "undo", PostmortemStatus.DRAFT, document, desk, desk.why_not_write)
    else:
        _step("Take back to draft", "undo", PostmortemStatus.DRAFT, document, desk, desk.why_not_publish)


def _step(
    label: str, icon: str, status: PostmortemStatus, document: Document, desk: ReviewDesk, why_not: str
) -> None:
    st.button(
        label,
        key=f"to_{status.value}",
        icon=f":material/{icon}:",
        type="primary" if status is PostmortemStatus.PUBLISHED else "secondary",
        disabled=bool(why_not),
        help=escape(why_not) or None,
        on_click=_try,
        args=(lambda: desk.set_status(status, document.version),),
    )


def render_review_notes(document: Document, desk: ReviewDesk) -> None:
    """Why a step is not open to this person, what went wrong with one, and a later run's text."""
    if document.status is PostmortemStatus.IN_REVIEW and desk.why_not_publish and not desk.why_not_write:
        st.caption(escape(desk.why_not_publish))
    error: IncidentScribeError | None = st.session_state.pop(_ERROR, None)
    if error:
        render_error(error)
    if desk.take_newer:
        take = desk.take_newer
        with st.container(horizontal=True, vertical_alignment="center"):
            st.info(
                "A later run of this incident wrote another text. This document stands on the earlier one.",
                icon=":material/smart_toy:",
            )
            st.button(
                "Take over the later text",
                key="take_newer",
                disabled=bool(desk.why_not_write),
                help=escape(desk.why_not_write) or "Sections that people wrote stay as they are.",
                on_click=_try,
                args=(lambda: take(document.version),),
            )


def _try(act: Callable[[], None]) -> None:
    try:
        act()
    except IncidentScribeError as error:
        st.session_state[_ERROR] = error
