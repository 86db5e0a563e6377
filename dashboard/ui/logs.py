"""An execution's log: level, step, text."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard.domain.clock import utc_now
from dashboard.domain.execution import LogLine
from dashboard.domain.steps import step_title
from dashboard.kestra_api.observation import LogSnapshot
from dashboard.ui.errors_view import render_error
from dashboard.ui.text import clean
from dashboard.ui.times import render_freshness

SHOWN = 200
_FOR_AUTHORS = ("DEBUG", "TRACE")


def render_log_snapshot(found: LogSnapshot, *, key: str) -> None:
    """The log as of a moment; why it is not newer, where it is not."""
    if found.error:
        render_error(found.error)
    render_logs(found.lines, key=key)
    if found.as_of:
        render_freshness(found.as_of, utc_now(), "polled")


def render_logs(lines: Sequence[LogLine], *, key: str) -> None:
    """The newest lines as plain text, oldest first, problems countable at a glance."""
    if not lines:
        st.caption("The flow has not logged anything yet.")
        return
    levels = sorted({line.level for line in lines}, key=_rank)
    wanted = st.pills(
        "Levels", levels, selection_mode="multi", key=key, label_visibility="collapsed", persist_state="page"
    )
    # Until somebody asks for it, what only helps whoever writes the flow stays away.
    told = [line for line in lines if line.level not in _FOR_AUTHORS]
    chosen = [line for line in lines if line.level in wanted] if wanted else told or lines
    text = "\n".join(_line(line) for line in chosen[-SHOWN:])
    st.code(text or "No line of these levels.", language=None, wrap_lines=True, height=320)
    if len(chosen) > SHOWN:
        st.caption(f"The newest {SHOWN} of {len(chosen)} lines.")


def _line(line: LogLine) -> str:
    step = f" [{step_title(line.task_id)}]" if line.task_id else ""
    return f"{line.at:%H:%M:%S} {line.level:<5}{step} {clean(line.message)}"


def _rank(level: str) -> int:
    order = ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"]
    return order.index(level) if level in order else len(order)
