"""Reporting an incident by form: the fields, what is wrong with each, and what they make."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard.domain.draft import Draft, LogFile
from dashboard.domain.incident import MAX_BYTES, MAX_LOG_LINES
from dashboard.domain.preview import Preview
from dashboard.domain.severity import CHOICES, Severity, normalise
from dashboard.errors import IncidentScribeError
from dashboard.store.services import Service
from dashboard.ui.chips import severity_chip
from dashboard.ui.draft_keeper import Kept
from dashboard.ui.errors_view import render_error
from dashboard.ui.fields import read_pairs, render_pairs, render_problems, render_unplaced
from dashboard.ui.text import escape

AWAY = "Supabase does not answer, so nothing can be submitted just now. What is typed stays here."
"""Why the button is disabled."""

_TABS = {"form": "Form", "json": "JSON", "samples": "Samples"}
_PLACED = ("service", "severity", "title", "description", "logs", "metrics", "context")
_FILLED = "submit_filled"
_FILES = "submit_files"
_SHOWN_LINES = 5


def open_tabs() -> Sequence[Any]:
    """Form, JSON, samples; only the one that is open is drawn. `?tab=` in the address opens one."""
    wanted = _TABS.get(st.query_params.get("tab", ""))
    if wanted and "submit_tab" not in st.session_state:
        st.session_state["submit_tab"] = wanted
    return st.tabs(list(_TABS.values()), on_change="rerun", key="submit_tab")


def render_fields(kept: Kept, services: Sequence[Service], preview: Preview | IncidentScribeError) -> None:
    """The fields, with what is wrong under each; what stands in them goes into the draft."""
    problems = kept.problems()
    draft = kept.draft
    _fill(kept)
    names = [service.name for service in services]
    # A name typed in before is among the choices, or it could not be shown.
    if draft.service and draft.service not in names:
        names.append(draft.service)
    st.selectbox(
        "Service",
        names,
        index=None,
        key="submit_service",
        accept_new_options=True,
        placeholder="Choose a service or type a new name",
        help="An incident of a name that is not set up follows the default rules: it never acts by itself.",
    )
    render_problems(problems, "service")
    _render_severity(preview)
    render_problems(problems, "severity")
    st.text_input(
        "Title",
        key="submit_title",
        max_chars=300,
        placeholder="What is broken, in one line",
        live=True,
        help="Together with the service it tells whether the same problem is already open.",
    )
    render_problems(problems, "title")
    st.text_area("Log lines", key="submit_logs", height=160, placeholder="Paste them, oldest first")
    _render_log_file(kept)
    render_problems(problems, "logs")
    st.text_area(
        "Description",
        key="submit_description",
        max_chars=20_000,
        height=96,
        placeholder="Anything else to know",
    )
    render_problems(problems, "description")
    with st.expander("Metrics and context", expanded=bool(draft.metrics or draft.context)):
        render_pairs(_pairs_key("metrics", kept), "Metrics", "Metric", "Value", draft.metrics, "Add a metric")
        render_problems(problems, "metrics")
        render_pairs(_pairs_key("context", kept), "Context", "Name", "Text", draft.context, "Add context")
        render_problems(problems, "context")
    collect(kept)
    _render_counter(kept.draft)


def collect(kept: Kept) -> None:
    """Take what stands in the fields into the draft: at a press that is newer than what was drawn."""
    state = st.session_state
    if "submit_title" not in state or state.get(_FILLED) != kept.generation:
        return  # the form is not on the screen, or what it holds has been replaced
    kept.draft = kept.draft.model_copy(
        update={
            "service": state.get("submit_service") or "",
            "severity": str(state.get("submit_severity") or ""),
            "title": state["submit_title"],
            "logs": state["submit_logs"],
            "description": state["submit_description"],
            "metrics": read_pairs(_pairs_key("metrics", kept)),
            "context": read_pairs(_pairs_key("context", kept)),
            "file_separately": bool(state.get("submit_separately")),
        }
    )


def render_submit(kept: Kept, submit: Callable[[Mapping[str, Any]], object], why_not: str = "") -> None:
    """The button, disabled with its reason, and what was wrong with the last attempt as a whole."""
    problems = kept.problems()
    st.button(
        "Submit incident",
        type="primary",
        key="submit_form",
        icon=":material/send:",
        on_click=_press,
        args=(kept, kept.generation, submit),
        disabled=bool(why_not),
    )
    if why_not:
        st.caption(escape(why_not))
    if kept.refusal:
        render_error(kept.refusal)
    elif problems:
        count = len(problems)
        st.markdown(
            f":red-badge[:material/error: not submitted] "
            f"{count} {'place needs' if count == 1 else 'places need'} another look; each is marked above."
        )
    render_unplaced(problems, _PLACED)


def _press(kept: Kept, generation: int, submit: Callable[[Mapping[str, Any]], object]) -> None:
    if kept.was_sent(generation):
        return
    collect(kept)
    kept.was_tried, kept.refused = True, None
    if kept.draft.problems():
        return
    try:
        submit(kept.draft.to_payload())
    except IncidentScribeError as error:
        kept.refused = (kept.draft, error)


def _pairs_key(field: str, kept: Kept) -> str:
    """Rows have keys of their own for each filling: their number is another one."""
    return f"submit_{field}_{kept.generation}"


def _fill(kept: Kept) -> None:
    """Put the draft into the fields: all of it when it is a new one, else what the screen does not hold."""
    filled = st.session_state.get(_FILLED)
    is_new = filled is not None and filled != kept.generation
    st.session_state[_FILLED] = kept.generation
    severity = normalise(kept.draft.severity)
    values = {
        "submit_service": kept.draft.service or None,
        "submit_severity": None if severity is Severity.UNKNOWN else severity,
        "submit_title": kept.draft.title,
        "submit_logs": kept.draft.logs,
        "submit_description": kept.draft.description,
    }
    for key, value in values.items():
        if is_new or key not in st.session_state:
            st.session_state[key] = value


def _render_severity(preview: Preview | IncidentScribeError) -> None:
    """Four choices, each with what it triggers for this service."""

    def triggers(level: Severity) -> str:
        branch = preview.branch(level) if isinstance(preview, Preview) else None
        return escape(branch.summary()) if branch else level.consequence

    with st.container(border=True):
        st.radio(
            "Severity",
            CHOICES,
            index=None,
            key="submit_severity",
            format_func=lambda level: severity_chip(level).markdown(),
            captions=[triggers(level) for level in CHOICES],
            width="stretch",
        )


def _render_log_file(kept: Kept) -> None:
    taken = st.session_state.setdefault(_FILES, 0)
    if file := kept.draft.log_file:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            count = f"{len(file.lines):,} {'line' if len(file.lines) == 1 else 'lines'}"
            st.markdown(f":material/description: {escape(file.name)}: {count}", width="content")
            st.button(
                "Remove file", key="submit_remove_file", type="tertiary", on_click=_remove_file, args=(kept,)
            )
        with st.expander(f"First lines of {escape(file.name)}"):
            st.code("\n".join(file.lines[:_SHOWN_LINES]), language=None, wrap_lines=True)
    st.file_uploader(
        "Or add a log file",
        key=f"submit_file_{taken}",
        max_upload_size=5,
        on_change=_take_file,
        args=(kept, f"submit_file_{taken}"),
    )


def _take_file(kept: Kept, key: str) -> None:
    uploaded = st.session_state.get(key)
    if uploaded is None:
        return
    text = uploaded.getvalue().decode("utf-8-sig", errors="replace")
    lines = tuple(line for line in text.splitlines() if line.strip())
    before = kept.draft.log_file
    file = LogFile(
        name=f"{before.name}, {uploaded.name}" if before else uploaded.name,
        lines=(*before.lines, *lines) if before else lines,
    )
    kept.draft = kept.draft.model_copy(update={"log_file": file})
    st.session_state[_FILES] += 1  # an empty place for the next file


def _remove_file(kept: Kept) -> None:
    kept.draft = kept.draft.model_copy(update={"log_file": None})


def _render_counter(draft: Draft) -> None:
    """How much it is, against what is taken; said before anybody presses."""
    lines, size = len(draft.log_lines), draft.size()
    text = f"{lines:,} of {MAX_LOG_LINES:,} log lines, {_bytes(size)} of {_bytes(MAX_BYTES)} in all"
    if lines > MAX_LOG_LINES or size > MAX_BYTES:
        st.markdown(f":red-badge[:material/error: too much] {text}. Keep the lines around the first error.")
    else:
        st.caption(text)


def _bytes(count: int) -> str:
    if count < 1_000:
        return f"{count} bytes"
    return f"{count / 1_000:.0f} KB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"
