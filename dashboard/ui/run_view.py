"""A run as it goes: being started, followed, failed, or known only from what the flow reported."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from dashboard.domain.clock import duration_words
from dashboard.domain.execution import Execution, ExecutionRecord, is_terminal
from dashboard.domain.steps import step_title, timeline
from dashboard.kestra_api.observation import Snapshot, Source
from dashboard.store.executions import Owed
from dashboard.ui.chips import state_chip
from dashboard.ui.errors_view import render_empty
from dashboard.ui.steps import render_steps
from dashboard.ui.text import code, escape
from dashboard.ui.times import absolute, render_freshness, unbroken, with_age

_HOW = {Source.STREAMED: "streamed", Source.POLLED: "polled", Source.NONE: "from the flow's own reports"}


def render_starting(start: Owed | None, now: datetime) -> None:
    """Before Kestra has an execution that claimed the incident."""
    if start is None:
        render_empty("No run was started for this incident.")
        return
    if not start.is_owed:
        render_empty(f"Its start is {start.status}; no execution is on record.")
        return
    st.markdown(":blue-badge[:material/sync: being started]")
    st.caption(f"Being started since {with_age(start.created_at, now)}. It is saved and will not be lost.")
    if start.last_error:
        tries = f"{start.attempts} tries" if start.attempts != 1 else "one try"
        since = f" Stuck since {absolute(start.stuck_since)}." if start.stuck_since else ""
        st.warning(
            f"{escape(start.last_error)}  \nIt is tried again by itself, after {tries} so far.{since}",
            title="The run could not be started yet",
            icon=":material/cloud_off:",
        )


def render_run_state(run: ExecutionRecord, snapshot: Snapshot, now: datetime) -> None:
    """State, freshness, steps; from Kestra where it answers, else from what is on record."""
    execution = snapshot.execution
    # The record is newer where Kestra was not seen since the flow reported its end.
    state = execution.state if execution else run.state or "CREATED"
    began = (execution.started_at if execution else None) or run.started_at
    ended = execution.ended_at if execution else run.ended_at
    took = f" :small[{unbroken(duration_words(((ended or now) - began).total_seconds()))}]" if began else ""
    st.markdown(f"{state_chip(state).markdown()}{took} :small[execution {code(run.kestra_execution_id)}]")
    if snapshot.error:
        st.warning(
            f"{escape(snapshot.error.what)}  \nShown is the last known state. "
            "The flow goes on whether the desk can see it or not.",
            title="Kestra does not answer the desk",
            icon=":material/cloud_off:",
        )
    if execution is None:
        _render_record(run, now)
        return
    render_freshness(snapshot.as_of, now, "its final state" if ended else _HOW[snapshot.source])
    if is_terminal(execution.state) and execution.state != "SUCCESS":
        _render_ending(run, execution)
    render_steps(timeline(execution), now)


def _render_record(run: ExecutionRecord, now: datetime) -> None:
    at = f"Last reported step: {escape(step_title(run.step))}." if run.step else "No step was reported yet."
    st.caption(at)
    if run.problem:
        st.warning(escape(run.problem), title="Why it ended so", icon=":material/error:")
    render_freshness(run.seen_at or run.reported_at, now, _HOW[Source.NONE], stale_after_seconds=60)


def _render_ending(run: ExecutionRecord, execution: Execution) -> None:
    """Which step, why, what is saved, what to do."""
    failed = [task for task in execution.task_runs if task.state == "FAILED"]
    step = step_title(failed[-1].task_id) if failed else step_title(execution.current_task_id)
    why = run.problem or "The flow gave no reason; its log below may."
    word = state_chip(execution.state).word
    st.error(
        f"Step: {escape(step)}.  \n{escape(why)}  \n"
        "The incident, its evidence and every finding so far are saved.  \n"
        "Submit the incident again to start a new run; it joins this one.",
        title=word,
        icon=":material/error:",
    )
