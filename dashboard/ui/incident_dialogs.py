"""The dialogs in front of what people do to an incident: what it does, what it does not undo, what is needed.

Which one is open stands in the session, not in the run of the page: a live page draws itself anew under an
open dialog, and what is being typed must outlive that, a refusal, and a dialog closed by mistake. Buttons
open it by callback: a press that meets a push on its way would be lost to `if st.button(…)`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import streamlit as st

from dashboard.domain.clock import utc_now
from dashboard.domain.history import tell
from dashboard.domain.incident import Incident, IncidentEvent
from dashboard.domain.powers import Change, Command, Power
from dashboard.domain.severity import CHOICES, Severity
from dashboard.domain.shape import Json
from dashboard.errors import IncidentScribeError, StaleVersion
from dashboard.store.cases import Colleague
from dashboard.ui.dialog_words import ABOUT, WITHDRAW, About
from dashboard.ui.errors_view import render_error
from dashboard.ui.markdown import safe_markdown
from dashboard.ui.text import clean, code, escape
from dashboard.ui.times import with_age

_OPEN, _DRAWN = "asked_about", "asked_about_is_drawn"
_DONE, _MOST_EVENTS = "asked_and_done", 6
_asked = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person is about to do to the incident as they saw it; `subject_id`: the run or the request."""

    power: Power | None  # None: take a request back
    incident: Incident
    subject_id: str
    error: IncidentScribeError | None = None
    meanwhile: tuple[IncidentEvent, ...] = ()
    number: int = field(default_factory=lambda: next(_asked))

    @property
    def about(self) -> About:
        return ABOUT[self.power] if self.power else WITHDRAW

    @property
    def key(self) -> str:
        """Key of the text that is typed; the draft stays with the incident."""
        return f"text_{self.power or 'withdraw'}_{self.incident.id}"


@dataclass(frozen=True, slots=True)
class Deeds:
    """What the page lends a dialog. All raise errors of our tree."""

    change: Callable[[Incident, Change, Json], None]
    request: Callable[[Command, str, str], None]
    withdraw: Callable[[str, str], None]
    look: Callable[[], tuple[Incident, Sequence[IncidentEvent]]]
    colleagues: Callable[[], Sequence[Colleague]]
    me: str


def ask(power: Power | None, incident: Incident, subject_id: str) -> None:
    """Open a dialog; for callbacks. The block that holds the button then asks for a run of the whole page."""
    st.session_state[_OPEN] = Asked(power, incident, subject_id)


def find_open_dialog(incident_id: str) -> Asked | None:
    """The dialog to draw at the end of this run of the page; asked for at its beginning."""
    asked = _open()
    if asked is None or asked.incident.id != incident_id:
        return None
    st.session_state[_DRAWN] = asked.number
    return asked


def is_dialog_open(incident_id: str) -> bool:
    """Whether somebody is in front of a dialog about it: a run of the whole page would take what they type.

    Streamlit 1.67 draws a dialog closed before it draws it open; where the browser sees both, its fields are
    new and empty.
    """
    asked = _open()
    return asked is not None and asked.incident.id == incident_id


def run_page_for_dialog() -> None:
    """In a fragment: run the whole page if a dialog was opened that this page has not drawn yet."""
    asked = _open()
    if asked is not None and st.session_state.get(_DRAWN) != asked.number:
        st.rerun()


def render_open_dialog(asked: Asked | None, deeds: Deeds) -> None:
    """Draw the dialog; called by the page itself, outside of its fragments."""
    if asked is None:
        # A toast from the callback would take the dialog's place in the page, under its closing run.
        if done := st.session_state.pop(_DONE, None):
            st.toast(done, icon=":material/check:")
        return

    @st.dialog(asked.about.title, icon=asked.about.icon, on_dismiss=_close)
    def show() -> None:
        now_asked = _open()
        if now_asked is None:  # done, or cancelled
            st.rerun()
        else:
            _render(now_asked, deeds)

    show()


def _open() -> Asked | None:
    found = st.session_state.get(_OPEN)
    return found if isinstance(found, Asked) else None


def _close() -> None:
    st.session_state.pop(_OPEN, None)


def _render(asked: Asked, deeds: Deeds) -> None:
    about = asked.about
    st.caption(f"{escape(asked.incident.title)} {code(asked.incident.external_id)}")
    if about.does:
        st.markdown(f"**What it does.** {about.does}")
    if about.leaves:
        st.markdown(f"**What it does not undo.** {about.leaves}")
    payload = _render_fields(asked, deeds)
    if asked.error:
        _render_refusal(asked)

    def press() -> None:
        _press(asked, payload, deeds)

    with st.container(horizontal=True, gap="small"):
        st.button(
            "Do it on the version as it is now" if isinstance(asked.error, StaleVersion) else about.verb,
            key="dialog_do",
            type="primary",
            icon=about.icon,
            on_click=press,
            disabled=payload is None,
        )
        st.button("Cancel", key="dialog_cancel", on_click=_close)


def _render_fields(asked: Asked, deeds: Deeds) -> Callable[[], Json] | None:
    """Draw what has to be filled in; answers how to read it at the press, None while nothing is chosen."""
    if asked.power is Change.ASSIGN:
        return _render_people(asked, deeds)
    if asked.power is Change.SEVERITY:
        return _render_severities(asked)
    label = asked.about.field
    if not label:
        return dict
    st.text_area(
        label,
        key=asked.key,
        max_chars=5_000 if asked.power is Change.NOTE else 2_000,
        height=140 if asked.power is Change.NOTE else 96,
        persist_state="page",
    )
    return lambda: {"text": str(st.session_state.get(asked.key) or "").strip()}


def _render_people(asked: Asked, deeds: Deeds) -> Callable[[], Json] | None:
    try:
        people = {person.user_id: person for person in deeds.colleagues()}
    except IncidentScribeError as error:
        render_error(error)
        return None
    order = sorted(people, key=lambda user_id: (user_id != deeds.me, people[user_id].name.lower()))
    if not order:
        st.caption("There is nobody an incident could be given to.")
        return None

    def name(user_id: str) -> str:
        person = people[user_id]
        holds = ", has it now" if user_id == asked.incident.assigned_to else ""
        # Options are drawn as plain text.
        return clean(f"{person.name}{' (you)' if user_id == deeds.me else ''}, {person.role}{holds}")

    st.selectbox("To whom", order, key=asked.key, format_func=name, persist_state="page")
    return lambda: {"user_id": st.session_state.get(asked.key)}


def _render_severities(asked: Asked) -> Callable[[], Json] | None:
    now = asked.incident.severity
    chosen = st.segmented_control(
        "New severity",
        [str(choice) for choice in CHOICES if choice is not now],
        key=asked.key,
        persist_state="page",
    )
    if chosen is None:
        st.caption(f"It is {now}.")
        return None
    severity = Severity(chosen)
    st.caption(severity.consequence)
    if severity.is_higher_than(now):
        st.warning(
            "The run at work is ended, a proposal that waits is cancelled, and a new run starts.",
            icon=":material/restart_alt:",
        )
    else:
        st.caption("Lowering it leaves a run at work as it is; the branch it has taken stays taken.")
    return lambda: {"severity": st.session_state.get(asked.key)}


def _press(asked: Asked, read: Callable[[], Json] | None, deeds: Deeds) -> None:
    if _open() is None:  # done or cancelled a moment ago, and still on the screen
        return
    payload = read() if read else {}
    text = str(payload.get("text", ""))
    try:
        if isinstance(asked.power, Change):
            deeds.change(asked.incident, asked.power, payload)
        elif isinstance(asked.power, Command):
            deeds.request(asked.power, asked.subject_id, text)
        else:
            deeds.withdraw(asked.subject_id, text)
    except StaleVersion as stale:
        st.session_state[_OPEN] = _refreshed(asked, stale, deeds)
    except IncidentScribeError as error:
        st.session_state[_OPEN] = replace(asked, error=error, meanwhile=())
    else:
        st.session_state.pop(asked.key, None)
        _close()
        st.session_state[_DONE] = asked.about.done


def _refreshed(asked: Asked, stale: StaleVersion, deeds: Deeds) -> Asked:
    """The same question about the incident as it is now, with what has happened to it since."""
    try:
        current, events = deeds.look()
    except IncidentScribeError as error:
        return replace(asked, error=error, meanwhile=())
    # An event is written a moment after the version it belongs to.
    seen_until = (asked.incident.updated_at or asked.incident.created_at) + timedelta(seconds=0.5)
    return replace(
        asked,
        incident=current,
        error=stale,
        meanwhile=tuple(event for event in events if event.at > seen_until)[-_MOST_EVENTS:],
    )


def _render_refusal(asked: Asked) -> None:
    if not isinstance(asked.error, StaleVersion):
        if asked.error:
            render_error(asked.error)
        return
    now = utc_now()
    lines = []
    for event in asked.meanwhile:
        did, text = tell(event)
        said = f": {escape(text)}" if text else ""
        lines.append(
            f"- {escape(event.actor_name or 'Somebody')} {escape(did)}{said}, {with_age(event.at, now)}"
        )
    st.warning(
        "Nothing was overwritten, and what you typed is kept. Meanwhile:\n\n"
        + ("\n".join(lines) or safe_markdown(f"- {asked.error.by or 'Somebody'} changed it")),
        title="Somebody was faster",
        icon=":material/update:",
    )
