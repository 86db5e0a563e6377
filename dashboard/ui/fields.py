"""Parts of forms: what is wrong with a field, rows of names and values, and text that is sent while typed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import streamlit as st

from dashboard.domain.draft import Pair
from dashboard.errors import FieldProblem
from dashboard.ui.text import escape

# A text area sends what is typed when it is left or at Ctrl+Enter (Streamlit 1.67). Somebody who types and
# then reloads has done neither, so this presses Ctrl+Enter at every pause, and when the page goes away.
_SENDING = """
const pending = new Map()
const KEY = { key: "Enter", code: "Enter", ctrlKey: true, bubbles: true, cancelable: true }
const send = (area) => area.dispatchEvent(new KeyboardEvent("keydown", KEY))
function typed({ target, isComposing }) {
  if (isComposing || !(target instanceof HTMLTextAreaElement)) return
  if (!target.closest("[class*='st-key-submit_']")) return
  clearTimeout(pending.get(target))
  pending.set(target, setTimeout(() => { pending.delete(target); send(target) }, 700))
}
function leave() {
  for (const [area, timer] of pending) { clearTimeout(timer); send(area) }
  pending.clear()
}
export default function () {
  document.addEventListener("input", typed)
  window.addEventListener("pagehide", leave)
  document.addEventListener("visibilitychange", leave)
  return () => {
    document.removeEventListener("input", typed)
    window.removeEventListener("pagehide", leave)
    document.removeEventListener("visibilitychange", leave)
  }
}
"""
_sending = st.components.v2.component("text_sent_while_typed", js=_SENDING)


def send_while_typed() -> None:
    """Makes the text areas of this page, of keys that begin with `submit_`, send at every pause in typing."""
    _sending(key="submit_sending")


def render_problems(problems: Iterable[FieldProblem], field: str) -> None:
    """What is wrong with a field, under it; with its parts too, by their names."""
    for found in problems:
        name, _, part = found.field.partition(".")
        if name == field:
            what = f"{part} {found.problem}" if part else found.problem
            st.markdown(f":red-badge[:material/error: {escape(field)}] {escape(what)}")


def render_unplaced(problems: Iterable[FieldProblem], placed: Sequence[str]) -> None:
    """Problems of fields that have no place of their own on the screen."""
    for found in problems:
        if found.field.partition(".")[0] not in placed:
            st.markdown(
                f":red-badge[:material/error: {escape(found.field or 'incident')}] {escape(found.problem)}"
            )


def render_pairs(key: str, label: str, name: str, value: str, pairs: Sequence[Pair], add: str) -> None:
    """Rows of a name and a value, at least one, filled with `pairs` where the screen holds nothing yet."""
    place = f"{key}_rows"
    if place not in st.session_state:
        st.session_state[place] = list(range(max(1, len(pairs))))
    st.markdown(label)
    for position, row in enumerate(st.session_state[place]):
        given = pairs[position] if position < len(pairs) else Pair()
        with st.container(horizontal=True, vertical_alignment="bottom", gap="xsmall"):
            _text(f"{key}_name_{row}", f"{name} {position + 1}", name, given.name)
            _text(f"{key}_value_{row}", f"{value} {position + 1}", value, given.value)
            st.button(
                "Remove", key=f"{key}_remove_{row}", type="tertiary", on_click=_remove, args=(place, row)
            )
    st.button(add, key=f"{key}_add", icon=":material/add:", type="tertiary", on_click=_add, args=(place,))


def read_pairs(key: str) -> tuple[Pair, ...]:
    """The rows as they stand. Those without anything in them are room to write, no content."""
    state = st.session_state
    rows = [
        Pair(name=state.get(f"{key}_name_{row}", ""), value=state.get(f"{key}_value_{row}", ""))
        for row in state.get(f"{key}_rows", ())
    ]
    return tuple(pair for pair in rows if pair.name or pair.value)


def _text(key: str, label: str, placeholder: str, given: str) -> None:
    if key not in st.session_state:
        st.session_state[key] = given
    st.text_input(
        label, key=key, placeholder=placeholder, label_visibility="collapsed", max_chars=2_000, live=True
    )


def _add(place: str) -> None:
    rows: list[int] = st.session_state[place]
    st.session_state[place] = [*rows, max(rows, default=-1) + 1]


def _remove(place: str, row: int) -> None:
    rows: list[int] = st.session_state[place]
    st.session_state[place] = [other for other in rows if other != row] or [row + 1]
