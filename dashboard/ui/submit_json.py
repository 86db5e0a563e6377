"""Reporting an incident as JSON: pasted or from a file, refused with the very place that is wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from dashboard.domain.incident import parse_payload
from dashboard.domain.json_text import laid_out, parse_object, path_of, read_text
from dashboard.errors import FieldProblem, IncidentScribeError, InvalidInput, InvalidJson
from dashboard.ui.draft_keeper import Kept
from dashboard.ui.errors_view import render_error
from dashboard.ui.text import escape

_FILLED = "submit_json_filled"
_FILES = "submit_json_files"
_SAID = "submit_json_said"

GUIDE_EXAMPLE = """{
  "id": "INC-001",
  "service": "payment-api",
  "severity": "HIGH",
  "title": "High Error Rate",
  "logs": ["ERROR: Connection timeout"],
  "metrics": {"error_rate": 0.45},
  "context": {"host": "prod-api-1"}
}"""


def render_json(kept: Kept) -> None:
    """The text, a file to fill it from, and a button that lays it out."""
    filled = st.session_state.get(_FILLED)
    if "submit_json" not in st.session_state or (filled is not None and filled != kept.generation):
        st.session_state["submit_json"] = kept.draft.json_text
    st.session_state[_FILLED] = kept.generation
    taken = st.session_state.setdefault(_FILES, 0)
    text = st.text_area("Incident as JSON", key="submit_json", height=300, placeholder=GUIDE_EXAMPLE)
    kept.draft = kept.draft.model_copy(update={"json_text": text})
    with st.container(horizontal=True, gap="small"):
        st.button("Format", key="submit_json_format", icon=":material/format_align_left:", on_click=_format)
        if not text:
            st.button("Use the example", key="submit_json_example", type="tertiary", on_click=_use_example)
    st.file_uploader(
        "Or choose a JSON file",
        type=["json"],
        key=f"submit_json_file_{taken}",
        max_upload_size=5,
        on_change=_take_file,
        args=(f"submit_json_file_{taken}",),
    )


def render_submit_json(kept: Kept, submit: Callable[[Mapping[str, Any]], object], why_not: str = "") -> None:
    """The button, disabled with its reason, and what was wrong, by line and column or by path."""
    st.button(
        "Submit incident",
        type="primary",
        key="submit_json_press",
        icon=":material/send:",
        on_click=_press,
        args=(kept, kept.generation, submit),
        disabled=bool(why_not),
    )
    if why_not:
        st.caption(escape(why_not))
    said: tuple[str, IncidentScribeError] | None = st.session_state.get(_SAID)
    if said and said[0] in ("", kept.draft.json_text):
        _render_refusal(said[1])


def heading(text: str) -> tuple[str, str, str, str]:
    """Service, severity, title and id that the text names so far; empty where it names none."""
    try:
        raw = parse_object(text)
    except InvalidInput:
        return "", "", "", ""
    named = [raw.get(name) for name in ("service", "severity", "title", "id")]
    service, severity, title, own_id = (value if isinstance(value, str) else "" for value in named)
    return service, severity, title, own_id


def _render_refusal(error: IncidentScribeError) -> None:
    render_error(error)
    if isinstance(error, InvalidJson):
        # As code: the text is foreign, and the caret needs letters of one width.
        st.code(error.excerpt, language=None)
    elif isinstance(error, InvalidInput):
        for found in error.fields:
            _render_field(found)


def _render_field(found: FieldProblem) -> None:
    st.markdown(f":red-badge[:material/error: {escape(path_of(found.field))}] {escape(found.problem)}")


def _press(kept: Kept, generation: int, submit: Callable[[Mapping[str, Any]], object]) -> None:
    if kept.was_sent(generation):
        return
    text = str(st.session_state.get("submit_json") or "")
    st.session_state.pop(_SAID, None)
    try:
        raw = parse_object(text)
        parse_payload(raw)
        # Without an id of its own it has that of the draft, so that it joins itself when it is sent twice.
        submit(raw if raw.get("id") else raw | {"id": kept.draft.attempt})
    except IncidentScribeError as error:
        st.session_state[_SAID] = (text, error)


def _format() -> None:
    text = str(st.session_state.get("submit_json") or "")
    try:
        st.session_state["submit_json"] = laid_out(text)
        st.session_state.pop(_SAID, None)
    except InvalidInput as error:
        st.session_state[_SAID] = (text, error)


def _use_example() -> None:
    st.session_state["submit_json"] = GUIDE_EXAMPLE


def _take_file(key: str) -> None:
    uploaded = st.session_state.get(key)
    if uploaded is None:
        return
    st.session_state[_FILES] += 1
    try:
        st.session_state["submit_json"] = read_text(uploaded.getvalue())
        st.session_state.pop(_SAID, None)
    except InvalidInput as error:
        st.session_state[_SAID] = ("", error)
