"""An execution's log: level, step, search, follow; plain text, bounded, and as old as it says."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard.domain.clock import age_words, utc_now
from dashboard.domain.execution import LogLine
from dashboard.domain.log import LEVELS, Filter, as_text, matching
from dashboard.domain.steps import step_of, step_title
from dashboard.kestra_api.observation import LogSnapshot
from dashboard.ui.errors_view import render_empty
from dashboard.ui.text import clean, escape
from dashboard.ui.times import render_freshness, with_age

SHOWN = 500
_HEIGHT = 380
_EVERY_STEP = ""


def render_log(found: LogSnapshot, *, is_live: bool, file_name: str) -> None:
    """The newest lines that match, oldest first; the newest stay in sight while it follows."""
    wanted, follow = _render_controls(found.lines, is_live)
    _render_age(found, is_live)
    lines, later = _held(found.lines, follow)
    chosen = matching(lines, wanted)
    if not lines:
        if not found.error:
            render_empty("The flow has not logged anything yet.")
        return
    if not chosen:
        hidden = "1 line is" if len(lines) == 1 else f"{len(lines)} lines are"
        render_empty(f"No line from {wanted.level} up matches; {hidden} hidden by level, step or search.")
        return
    with st.container(height=_HEIGHT, border=True, autoscroll=follow, key="log_window"):
        st.code(clean(as_text(chosen[-SHOWN:])), language=None, wrap_lines=True)
    _render_foot(lines, chosen, later, file_name, found.is_cut)


def _render_controls(lines: Sequence[LogLine], is_live: bool) -> tuple[Filter, bool]:
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom", key="log_controls"):
        level = st.segmented_control(
            "From level", LEVELS, default="DEBUG", required=True, key="log_level", persist_state="page"
        )
        steps = list(dict.fromkeys(step_of(line.task_id) or "" for line in lines if line.task_id))
        step = st.selectbox(
            "Step",
            [_EVERY_STEP, *steps],
            key="log_step",
            format_func=lambda name: clean(step_title(name)) if name else "All steps",
            width=230,
            persist_state="page",
        )
        search = st.text_input(
            "Search", key="log_search", type="search", width=230, max_chars=200, persist_state="page"
        )
        follow = is_live and st.toggle(
            "Follow", value=True, key="log_follow", help="Off: the log stands still while you read."
        )
    return Filter(str(level or "DEBUG"), step or None, (search or "").strip()), follow or not is_live


def _render_age(found: LogSnapshot, is_live: bool) -> None:
    if found.error:
        shown = f" Shown is what was read {with_age(found.as_of, utc_now())}." if found.as_of else ""
        st.warning(
            f"{escape(found.error.what)}{shown}",
            title="The log cannot be read just now",
            icon=":material/cloud_off:",
        )
    elif found.as_of and is_live:
        render_freshness(found.as_of, utc_now(), found.source)
    elif found.as_of:
        st.caption("The run has ended: the log is whole.", text_alignment="right")


def _held(lines: tuple[LogLine, ...], follow: bool) -> tuple[tuple[LogLine, ...], int]:
    """All lines while it follows; else those there were when it was told to stop, and how many came later."""
    if follow:
        st.session_state["log_held"] = len(lines)
        return lines, 0
    held = int(st.session_state.get("log_held", len(lines)))
    return lines[:held], max(0, len(lines) - held)


def _render_foot(
    lines: Sequence[LogLine], chosen: Sequence[LogLine], later: int, file_name: str, is_cut: bool
) -> None:
    told = [f"{len(chosen)} of {len(lines)} lines"]
    if is_cut:
        told.append("older ones are only in Kestra")
    if len(chosen) > SHOWN:
        told.append(f"the newest {SHOWN} shown")
    if later:
        told.append(f"standing still, {later} newer")
    if chosen:
        told.append(f"newest {age_words(chosen[-1].at, utc_now())}")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(", ".join(told) + ".", width="stretch")
        st.download_button(
            "Download as text",
            # Made at the click: a file for every line that comes in would be gone before anybody fetched it.
            lambda: clean(as_text(chosen)),
            file_name=file_name,
            mime="text/plain",
            icon=":material/download:",
            on_click="ignore",
            type="tertiary",
            key="log_download",
        )
