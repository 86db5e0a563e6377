"""Samples: cards that say what they show; each can be read, put into the form, or sent."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from dashboard.domain.draft import draft_of_payload
from dashboard.domain.incident import SubmitReceipt
from dashboard.errors import IncidentScribeError
from dashboard.routes import INCIDENT
from dashboard.samples import SAMPLES, Sample
from dashboard.ui.chips import severity_chip
from dashboard.ui.draft_keeper import Kept
from dashboard.ui.errors_view import render_error
from dashboard.ui.links import render_link
from dashboard.ui.text import escape

_RESULT = "submit_sample_result"
_SHOWN_LINES = 20
_ATTACHED_FROM = 200

Send = Callable[[Sample, dict[str, Any]], Sequence[SubmitReceipt]]


def render_samples(kept: Kept, send: Send, why_not: str = "") -> None:
    """The cards. `send` gets a sample and its payload and submits it as often as the sample says."""
    if why_not:
        st.caption(escape(why_not))
    cards = st.grid(2, min_column_width=320, gap="small")
    for sample in SAMPLES:
        with cards.container(border=True, gap="small", key=f"card_{sample.key}"):
            st.markdown(
                f"{severity_chip(sample.severity).markdown()} **{escape(sample.title)}** "
                f":small[{escape(sample.service)}]"
            )
            st.markdown(escape(sample.shows))
            with st.container(horizontal=True, gap="small"):
                st.button(
                    f"Submit {sample.label}",
                    key=f"sample_{sample.key}",
                    icon=":material/send:",
                    on_click=_press,
                    args=(kept, kept.generation, sample, send),
                    disabled=bool(why_not),
                )
                st.button(
                    "Put into the form",
                    key=f"edit_{sample.key}",
                    icon=":material/edit:",
                    type="tertiary",
                    on_click=_put_into_form,
                    args=(kept, sample),
                    help="What stands in the form is replaced." if not kept.draft.is_empty else None,
                )
            with st.expander("Look at what is sent"):
                _render_payload(sample.to_payload(kept.draft.attempt))
            _render_result(sample)


def _render_payload(payload: dict[str, Any]) -> None:
    """The JSON as it is sent; of long logs the beginning."""
    lines = payload["logs"]
    payload["logs"] = lines[:_SHOWN_LINES]
    st.code(json.dumps(payload, indent=2, ensure_ascii=True), language=None, wrap_lines=True, height=260)
    if len(lines) > _SHOWN_LINES:
        st.caption(f"The first {_SHOWN_LINES} of {len(lines):,} log lines.")


def _render_result(sample: Sample) -> None:
    """How the reports of a burst joined, or why the sample was not sent."""
    key, result = st.session_state.get(_RESULT, ("", None))
    if key != sample.key or result is None:
        return
    if isinstance(result, IncidentScribeError):
        render_error(result)
        return
    for number, receipt in enumerate(result, 1):
        if receipt.joined:
            st.markdown(
                f"Report {number} joined {escape(receipt.external_id)}, now seen {receipt.occurrences} times."
            )
        else:
            st.markdown(f"Report {number} opened {escape(receipt.external_id)}.")
    render_link(INCIDENT, f"Open {result[-1].external_id}", id=result[-1].incident_id)


def _press(kept: Kept, generation: int, sample: Sample, send: Send) -> None:
    if kept.was_sent(generation):
        return
    try:
        receipts = send(sample, sample.to_payload(kept.draft.attempt))
        st.session_state[_RESULT] = (sample.key, receipts if sample.times > 1 else None)
    except IncidentScribeError as error:
        st.session_state[_RESULT] = (sample.key, error)


def _put_into_form(kept: Kept, sample: Sample) -> None:
    payload = sample.to_payload(kept.draft.attempt)
    name = f"{sample.key}.log" if len(sample.logs) > _ATTACHED_FROM else ""
    draft = draft_of_payload(payload, kept.draft.attempt, lines_from=name)
    kept.replace(draft.model_copy(update={"json_text": kept.draft.json_text}))
    st.session_state["submit_tab"] = "Form"
