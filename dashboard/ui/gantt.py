"""How long each step took, as a chart and as a table. Built anew only when a step has changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from dashboard.domain.clock import duration_words
from dashboard.domain.execution import Tone, state_word
from dashboard.domain.steps import BRANCH_TASK, Step
from dashboard.ui.text import clean
from dashboard.ui.times import absolute

# Colours of Okabe and Ito, told apart by everybody, each with a pattern of its own for those who see none.
_STYLES = {
    Tone.GOOD: ("#009E73", ""),
    Tone.WORKING: ("#0072B2", "/"),
    Tone.WAITING: ("#56B4E9", "."),
    Tone.ATTENTION: ("#E69F00", "x"),
    Tone.BAD: ("#D55E00", "\\"),
    Tone.QUIET: ("#999999", "-"),
}
_ROW_PIXELS, _FRAME_PIXELS = 30, 56


def render_gantt(steps: Sequence[Step], now: datetime) -> None:
    """Steps that have begun, in reading order; running ones as far as they were at the last change."""
    # The choice of the branch lasts as long as the branch: as a bar of its own it would say nothing.
    begun = [step for step in steps if step.started_at is not None and step.task_id != BRANCH_TASK]
    if not begun:
        return
    st.markdown("**Durations**")
    mark = tuple((step.task_id, step.state, step.started_at, step.ended_at) for step in begun)
    last: tuple[object, go.Figure, str] | None = st.session_state.get("gantt")
    if last is None or last[0] != mark:
        # An equal figure keeps its place in the page; another one is mounted anew, with a flicker.
        last = (mark, _figure(begun, now), describe(begun, now))
        st.session_state["gantt"] = last
    st.plotly_chart(
        last[1], key="gantt_chart", alt=last[2], config={"displayModeBar": False, "scrollZoom": False}
    )
    with st.expander("Durations as a table", icon=":material/table:", key="gantt_table"):
        st.table([_row(step, now) for step in begun])


def describe(steps: Sequence[Step], now: datetime) -> str:
    """The chart in words."""
    told = ", ".join(
        f"{step.title} {duration_words(_seconds(step, now))} ({step.word.lower()})" for step in steps
    )
    return clean(f"Durations of {len(steps)} steps in the order of the flow: {told}.")


def _seconds(step: Step, now: datetime) -> float:
    return ((step.ended_at or now) - step.started_at).total_seconds() if step.started_at else 0.0


def _row(step: Step, now: datetime) -> dict[str, str]:
    return {
        "Step": step.title,
        "State": step.word,
        "Began": absolute(step.started_at) if step.started_at else "",
        "Ended": absolute(step.ended_at) if step.ended_at else "not yet",
        "Took": duration_words(_seconds(step, now)),
        "Attempts": str(step.attempts),
    }


def _figure(steps: Sequence[Step], now: datetime) -> go.Figure:
    figure = go.Figure()
    for step in steps:
        word = state_word(step.state or "")
        color, pattern = _STYLES[word.tone]
        took = duration_words(_seconds(step, now)) + ("" if step.ended_at else " so far")
        figure.add_bar(
            base=[_moment(step.started_at)],
            x=[max(1.0, _seconds(step, now) * 1000)],  # milliseconds: the axis is one of dates
            y=[step.title],
            orientation="h",
            showlegend=False,
            marker={"color": color, "pattern": {"shape": pattern, "solidity": 0.35}},
            text=[f"{took}, {word.label.lower()}"],
            textposition="outside",
            textfont={"size": 12},
            cliponaxis=False,
            hovertemplate=f"{step.title}<br>{word.label}, {took}<extra></extra>",
        )
    ends = [_moment(min(s.started_at for s in steps if s.started_at))]
    ends.append(_moment(max(step.ended_at or now for step in steps)))
    figure.update_layout(**_layout([step.title for step in steps], ends))
    return figure


def _layout(titles: Sequence[str], ends: Sequence[str]) -> dict[str, Any]:
    return {
        "height": _FRAME_PIXELS + _ROW_PIXELS * len(titles),
        "margin": {"l": 0, "r": 150, "t": 4, "b": 0},
        "barmode": "overlay",
        "bargap": 0.35,
        "dragmode": False,
        "xaxis": {
            "type": "date",
            "title": {"text": "UTC"},
            "tickformat": "%H:%M:%S",
            "tickvals": ends,  # first and last moment: more would overlap on a phone
            "tickangle": 0,
        },
        "yaxis": {
            "categoryorder": "array",
            "categoryarray": list(reversed(titles)),
            "automargin": True,
            "dtick": 1,  # every step has its name, however narrow the chart
            "title": {"text": ""},
            "showgrid": False,
        },
        "uirevision": "gantt",
    }


def _moment(at: datetime | None) -> str:
    """Without a zone: Plotly would turn it into the viewer's, and the axis says UTC."""
    return at.strftime("%Y-%m-%d %H:%M:%S.%f") if at else ""
