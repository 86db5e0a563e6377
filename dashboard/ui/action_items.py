"""Action items of a postmortem: what is to be changed, by whom, until when."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from hashlib import sha256

import streamlit as st

from dashboard.domain.document import Document
from dashboard.domain.postmortem import ActionItem, ItemEntry, ItemRecord, Priority
from dashboard.errors import IncidentScribeError
from dashboard.store.cases import Colleague
from dashboard.ui.chips import Chip
from dashboard.ui.errors_view import render_error
from dashboard.ui.markdown import cite
from dashboard.ui.text import escape

_PRIORITIES = {
    Priority.HIGH: Chip("high priority", "keyboard_double_arrow_up", "orange"),
    Priority.MEDIUM: Chip("medium priority", "drag_handle", "yellow"),
    Priority.LOW: Chip("low priority", "keyboard_arrow_down", "blue"),
}
_EDITED, _ERROR = "item_edited", "item_error"


@dataclass(frozen=True, slots=True)
class ItemDesk:
    """What the page lends the list. All may raise errors of our tree; `why_not` empty: this person may.

    `away` says why nothing can be written just now: what is open and typed stays, its buttons are off.
    """

    add: Callable[[ItemEntry], None]
    edit: Callable[[ItemRecord, ItemEntry], None]
    set_done: Callable[[ItemRecord, bool], None]
    colleagues: Sequence[Colleague]
    why_not: str = ""
    away: str = ""


def render_items(document: Document, desk: ItemDesk, now: datetime) -> None:
    """Open ones first, by date; then what the model suggests, then a form for another one."""
    error: IncidentScribeError | None = st.session_state.pop(_ERROR, None)
    if error:
        render_error(error)
    if not document.items:
        st.caption("None was written down.")
    for item in sorted(document.items, key=_urgency):
        with st.container(border=True, gap="xsmall", key=f"item_{item.id}"):
            if st.session_state.get(_EDITED) == item.id and not desk.why_not:
                _render_form(item, desk, key=f"edit_{item.id}")
            else:
                _render_item(item, desk, now)
    for suggestion in document.suggestions:
        _render_suggestion(suggestion, document, desk)
    if desk.why_not:
        st.caption(escape(desk.why_not))
    else:
        with st.expander("Add an action item", icon=":material/add:", key="add_item"):
            _render_form(None, desk, key="new_item")


def _urgency(item: ItemRecord) -> tuple[bool, bool, datetime]:
    due = item.due_at or item.created_at
    return item.done_at is not None, item.due_at is None, due


def _render_item(item: ItemRecord, desk: ItemDesk, now: datetime) -> None:
    st.markdown(f"~~{escape(item.title)}~~" if item.done_at else f"**{escape(item.title)}**")
    parts = [_PRIORITIES[item.priority].markdown()]
    if item.done_at:
        by = f" by {escape(item.done_by_name)}" if item.done_by_name else ""
        parts.append(f":green-badge[:material/check: done{by}, {item.done_at:%Y-%m-%d}]")
    elif item.is_overdue(now):
        parts.append(f":red-badge[:material/alarm: overdue since {item.due_at:%Y-%m-%d}]")
    elif item.due_at:
        parts.append(f":gray-badge[:material/event: until {item.due_at:%Y-%m-%d}]")
    who = escape(item.owner_name) if item.owner_name else "nobody"
    parts.append(f":small[for {who}]")
    st.markdown(" ".join(parts))
    if desk.why_not:
        return
    with st.container(horizontal=True, gap="small"):
        st.button(
            "Reopen" if item.done_at else "Done",
            key=f"done_{item.id}",
            icon=":material/replay:" if item.done_at else ":material/check:",
            disabled=bool(desk.away),
            help=escape(desk.away) or None,
            on_click=_press,
            args=(lambda: desk.set_done(item, item.done_at is None),),
        )
        if not item.done_at:
            st.button(
                "Change",
                key=f"change_{item.id}",
                type="tertiary",
                icon=":material/edit:",
                disabled=bool(desk.away),
                help=escape(desk.away) or None,
                on_click=_begin,
                args=(item.id,),
            )


def _render_suggestion(suggestion: ActionItem, document: Document, desk: ItemDesk) -> None:
    known = [one for one in suggestion.evidence if one in document.known]
    with st.container(border=True, gap="xsmall"):
        st.markdown(
            f":violet-badge[:material/smart_toy: the model suggests] {escape(suggestion.title)} {cite(known)}"
        )
        owner = f", for {escape(suggestion.owner)}" if suggestion.owner else ""
        st.markdown(f"{_PRIORITIES[suggestion.priority].markdown()} :small[{owner.removeprefix(', ')}]")
        entry = ItemEntry(
            title=suggestion.title[:300], priority=suggestion.priority, suggestion=suggestion.title
        )
        st.button(
            "Take it over",
            # Not by its place: a press that is carried out twice must not take the next one over.
            key=f"take_{sha256(suggestion.title.encode()).hexdigest()[:12]}",
            icon=":material/playlist_add:",
            disabled=bool(desk.why_not or desk.away),
            help=escape(desk.why_not or desk.away) or None,
            on_click=_press,
            args=(lambda: desk.add(entry),),
        )


def _render_form(item: ItemRecord | None, desk: ItemDesk, *, key: str) -> None:
    names = {colleague.user_id: colleague.name for colleague in desk.colleagues}
    if item and item.owner_id and item.owner_id not in names:
        names[item.owner_id] = item.owner_name or "somebody who is gone"
    people = list(names)
    with st.form(key, border=False, clear_on_submit=item is None):
        st.text_input("What is to be done", item.title if item else "", key=f"{key}_title", max_chars=300)
        with st.container(horizontal=True):
            st.selectbox(
                "For",
                people,
                index=people.index(item.owner_id) if item and item.owner_id else None,
                key=f"{key}_owner",
                format_func=lambda user_id: names.get(user_id, "somebody"),
                placeholder="nobody yet",
            )
            st.date_input(
                "Until (UTC)",
                item.due_at.date() if item and item.due_at else None,
                key=f"{key}_due",
                format="YYYY-MM-DD",
            )
            st.segmented_control(
                "Priority",
                list(Priority),
                default=item.priority if item else Priority.MEDIUM,
                key=f"{key}_priority",
                format_func=lambda level: level.value.lower(),
            )
        with st.container(horizontal=True):
            st.form_submit_button(
                "Save" if item else "Add",
                key=f"{key}_save",
                disabled=bool(desk.away),
                help=escape(desk.away) or None,
                on_click=_submit,
                args=(item, desk, key),
            )
            if item:
                st.form_submit_button("Cancel", key=f"{key}_cancel", on_click=_end)


def _submit(item: ItemRecord | None, desk: ItemDesk, key: str) -> None:
    due: date | None = st.session_state.get(f"{key}_due")
    entry = ItemEntry(
        title=str(st.session_state.get(f"{key}_title") or "").strip(),
        owner_id=st.session_state.get(f"{key}_owner"),
        priority=st.session_state.get(f"{key}_priority") or Priority.MEDIUM,
        # A day is over when it is over.
        due_at=datetime.combine(due, time(23, 59, 59), UTC) if due else None,
    )
    if item is None and not entry.title:
        st.toast("An action item needs a title.", icon=":material/edit_note:")
    elif item is None:
        _try(lambda: desk.add(entry))
    elif _try(lambda: desk.edit(item, entry)):
        _end()


def _begin(item_id: str) -> None:
    st.session_state[_EDITED] = item_id


def _end() -> None:
    st.session_state.pop(_EDITED, None)


def _press(act: Callable[[], None]) -> None:
    _try(act)


def _try(act: Callable[[], None]) -> bool:
    try:
        act()
    except IncidentScribeError as error:
        st.session_state[_ERROR] = error
        return False
    return True
