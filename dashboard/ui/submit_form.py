"""Reporting an incident: by form, by JSON, by sample. Each gives a raw payload to whoever submits."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard.domain.severity import CHOICES, Severity
from dashboard.errors import FieldProblem, IncidentScribeError, InvalidInput
from dashboard.samples import SAMPLES
from dashboard.store.services import Service
from dashboard.ui.chips import severity_chip
from dashboard.ui.errors_view import render_error
from dashboard.ui.text import escape

Submit = Callable[[Mapping[str, Any]], None]
"""Called with a raw payload; raises errors of our tree."""

_ERROR = "submit_error"
_EXAMPLE = '{\n  "service": "payment-api",\n  "severity": "MEDIUM",\n  "title": "…",\n  "logs": []\n}'


def render_form(services: Sequence[Service], submit: Submit) -> None:
    """The fields; what is wrong with one stands under it."""
    problems = _problems()
    st.selectbox(
        "Service",
        [service.name for service in services],
        index=None,
        key="submit_service",
        accept_new_options=True,
        placeholder="Choose a service or type a name",
    )
    _render_problem(problems, "service")
    st.radio(
        "Severity",
        CHOICES,
        index=None,
        key="submit_severity",
        format_func=lambda level: severity_chip(level).markdown(),
        captions=[level.consequence for level in CHOICES],
    )
    _render_problem(problems, "severity")
    st.text_input("Title", key="submit_title", max_chars=200, placeholder="What is broken, in one line")
    _render_problem(problems, "title")
    st.text_area("Description", key="submit_description", max_chars=20_000, height=96)
    _render_problem(problems, "description")
    st.text_area("Log lines", key="submit_logs", height=140, placeholder="One line each, oldest first")
    _render_problem(problems, "logs")
    metrics, context = st.columns(2)
    with metrics:
        st.markdown("Metrics")
        measured = _render_pairs("submit_metrics", "Metric", "Value")
        _render_problem(problems, "metrics")
    with context:
        st.markdown("Context")
        around = _render_pairs("submit_context", "Name", "Text")
        _render_problem(problems, "context")
    st.checkbox(
        "File separately, even if the same problem is already open", key="submit_separately", value=False
    )

    def press() -> None:
        _try(submit, lambda: _from_form(measured, around))

    st.button("Submit incident", type="primary", key="submit_form", icon=":material/send:", on_click=press)
    _render_rest(problems, {"service", "severity", "title", "description", "logs", "metrics", "context"})


def render_json(submit: Submit) -> None:
    """A payload as JSON, pasted or from a file."""
    uploaded = st.file_uploader("JSON file", type=["json"], key="submit_file", max_upload_size=5)
    st.text_area("Or paste JSON", key="submit_json", height=260, placeholder=_EXAMPLE)

    def press() -> None:
        text = uploaded.getvalue() if uploaded else str(st.session_state.get("submit_json", "")).encode()
        _try(submit, lambda: parse_json(text))

    st.button(
        "Submit incident", type="primary", key="submit_json_press", icon=":material/send:", on_click=press
    )
    _render_rest(_problems(), ())


def render_samples(submit: Submit) -> None:
    """One press each; every press makes an incident of its own."""
    for sample in SAMPLES:
        with st.container(border=True, gap="xsmall"):
            st.markdown(f"{severity_chip(sample.severity).markdown()} **{sample.title}**")
            st.caption(f"{sample.service}. {sample.shows}")
            st.button(
                f"Submit {sample.severity} sample",
                key=f"sample_{sample.severity}",
                icon=":material/send:",
                on_click=_try,
                args=(submit, sample.to_payload),
            )
    _render_rest(_problems(), ())


def render_consequence(severity: Severity | None, service: Service | None) -> None:
    """What will happen, for what is chosen so far."""
    st.markdown("**What will happen**")
    if severity is None:
        st.caption("Choose a severity: it alone decides which way the flow goes.")
        return
    st.markdown(f"{severity_chip(severity).markdown()}  \n{severity.consequence}")
    if severity is Severity.MEDIUM:
        who = f"a person with the role {service.approval_role} or above" if service else "an approver"
        minutes = service.minutes_to_decide if service else 60
        st.markdown(f"It asks {who}, who has {minutes} minutes. Silence is never taken as yes.")
    if severity is Severity.LOW and service:
        allowed = "allows" if service.auto_remediate else "does not allow"
        st.markdown(f"{escape(service.name)} {allowed} acting without a person.")
    if service:
        st.caption(f"{escape(service.name)}: owned by {escape(service.owner)}, tier {service.tier}.")
    st.caption("Whatever it does, analysis, remediation plan and postmortem are written at the end.")


def parse_json(text: bytes) -> Mapping[str, Any]:
    """A JSON text from a person. Raises InvalidInput with line and column."""
    try:
        value = json.loads(text.decode(), parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"The text is not UTF-8: byte {error.start} cannot be read.", to_do="Save the file as UTF-8."
        ) from error
    except json.JSONDecodeError as error:
        raise InvalidInput(
            f"The text is not JSON: {error.msg} at line {error.lineno}, column {error.colno}.",
            to_do="Correct that place and submit again. Nothing was saved.",
        ) from error
    except RecursionError as error:
        raise InvalidInput("The JSON is nested too deeply.") from error
    if not isinstance(value, dict):
        raise InvalidInput("The JSON must be one object, as in the example.")
    return value


def _refuse_constant(name: str) -> None:
    raise InvalidInput(f"The text is not JSON: {name} is no JSON number.")


def _try(submit: Submit, payload: Callable[[], Mapping[str, Any]]) -> None:
    st.session_state.pop(_ERROR, None)
    try:
        submit(payload())
    except IncidentScribeError as error:
        st.session_state[_ERROR] = error


def _problems() -> tuple[FieldProblem, ...]:
    error = st.session_state.get(_ERROR)
    return error.fields if isinstance(error, InvalidInput) else ()


def _render_problem(problems: Iterable[FieldProblem], field: str) -> None:
    for found in problems:
        if found.field.partition(".")[0] == field:
            st.markdown(f":red-badge[:material/error: {escape(f'{found.field} {found.problem}')}]")


def _render_rest(problems: Iterable[FieldProblem], shown: Iterable[str]) -> None:
    """The error as a whole, and problems of fields that have no place of their own."""
    error: IncidentScribeError | None = st.session_state.get(_ERROR)
    if error is None:
        return
    render_error(error)
    placed = set(shown)
    for found in problems:
        name = found.field.partition(".")[0]
        if name not in placed:
            st.markdown(f"- {escape(f'{found.field} {found.problem}')}")


def _render_pairs(key: str, name: str, value: str) -> list[dict[str, Any]]:
    edited = st.data_editor(
        [{name: "", value: ""}],
        key=key,
        num_rows="dynamic",
        hide_index=True,
        column_config={name: st.column_config.TextColumn(), value: st.column_config.TextColumn()},
        alt=f"{name} and {value.lower()} pairs",
    )
    return [{"name": row.get(name), "value": row.get(value)} for row in edited]


def _from_form(metrics: list[dict[str, Any]], context: list[dict[str, Any]]) -> Mapping[str, Any]:
    state = st.session_state
    severity = state.get("submit_severity")
    return {
        "service": state.get("submit_service") or "",
        "severity": str(severity) if severity else "",
        "title": state.get("submit_title") or "",
        "description": state.get("submit_description") or None,
        "logs": [line for line in str(state.get("submit_logs") or "").splitlines() if line.strip()],
        "metrics": {name: _number(value) for name, value in _pairs(metrics)},
        "context": dict(_pairs(context)),
        "file_separately": bool(state.get("submit_separately")),
    }


def _pairs(rows: list[dict[str, Any]]) -> list[tuple[str, str]]:
    named = ((str(row["name"] or "").strip(), str(row["value"] or "").strip()) for row in rows)
    return [(name, value) for name, value in named if name]


def _number(text: str) -> float | int | str:
    """A metric's value as a number where it is one; `nan` and `inf` stay text, JSON has no word for them."""
    try:
        return int(text)
    except ValueError:
        pass
    try:
        value = float(text)
    except ValueError:
        return text
    return value if value - value == 0 else text
