"""A run as it goes: being started, followed, failed, or known only from what the flow reported."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import streamlit as st

from dashboard.domain.clock import duration_words
from dashboard.domain.execution import Execution, ExecutionRecord, current_state
from dashboard.domain.history import NO_REASON
from dashboard.domain.powers import Command, Standing
from dashboard.domain.steps import step_of_ending, step_title, timeline
from dashboard.kestra_api.observation import Snapshot, Source
from dashboard.store.executions import Owed
from dashboard.ui.chips import state_chip
from dashboard.ui.errors_view import render_empty
from dashboard.ui.incident_actions import Ask, render_power
from dashboard.ui.markdown import safe_markdown
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
    by = f" Asked for by {escape(start.requested_by_name)}." if start.requested_by_name else ""
    st.caption(
        f"Being started since {with_age(start.created_at, now)}. It is saved and will not be lost.{by}"
    )
    if start.last_error:
        tries = f"{start.attempts} tries" if start.attempts != 1 else "one try"
        since = f" Stuck since {absolute(start.stuck_since)}." if start.stuck_since else ""
        st.warning(
            f"{escape(start.last_error)}  \nIt is tried again by itself, after {tries} so far.{since}",
            title="The run could not be started yet",
            icon=":material/cloud_off:",
        )


def render_run_state(run: ExecutionRecord, snapshot: Snapshot, now: datetime) -> bool:
    """State, how long, how fresh; whether the run has ended."""
    execution = snapshot.execution
    state = current_state(run, execution)
    began = (execution.started_at if execution else None) or run.started_at
    ended = (execution.ended_at if execution else None) or run.ended_at
    took = f" :small[{unbroken(duration_words(((ended or now) - began).total_seconds()))}]" if began else ""
    by = f" :small[asked for by {escape(run.requested_by_name)}]" if run.requested_by_name else ""
    st.markdown(f"{state_chip(state).markdown()}{took}{by} :small[execution] {code(run.kestra_execution_id)}")
    if snapshot.error:
        st.warning(
            f"{escape(snapshot.error.what)}  \nShown is the last known state. "
            "The flow goes on whether the desk can see it or not.",
            title="Kestra does not answer the desk",
            icon=":material/cloud_off:",
        )
    if execution is None:
        render_freshness(run.seen_at or run.reported_at, now, _HOW[Source.NONE], stale_after_seconds=60)
    elif ended:
        st.caption(f"Ended {with_age(ended, now)}; this is its final state.", text_alignment="right")
    else:
        render_freshness(snapshot.as_of, now, _HOW[snapshot.source])
    return ended is not None


def render_run_steps(
    run: ExecutionRecord, execution: Execution | None, lines: Mapping[str, str], now: datetime
) -> None:
    """The timeline; without Kestra what the flow itself has reported."""
    if execution is not None:
        render_steps(timeline(execution), lines, now)
        return
    if run.ended_at is None:
        at = step_title(run.step)
        st.caption(f"Last reported step: {escape(at)}." if at else "No step was reported yet.")
    told = [f"- **{escape(step_title(task))}** :small[{escape(line)}]" for task, line in lines.items()]
    if told:
        st.markdown("\n".join(told))


def went_wrong(run: ExecutionRecord, execution: Execution | None) -> bool:
    """Whether an end needs explaining: everything but success."""
    return current_state(run, execution) != "SUCCESS"


def render_ending(
    run: ExecutionRecord,
    execution: Execution | None,
    kill: Owed | None,
    standing: Standing,
    ask: Ask,
) -> None:
    """After an end that was no success: which step, why, what is saved, what to do, and the button for it."""
    task = (step_of_ending(execution) if execution else None) or run.step
    state = current_state(run, execution)
    is_stopped = state in ("KILLED", "CANCELLED")
    at = step_title(task) if task and task != "finish_run" else ""
    lead = f"{'It was stopped at' if is_stopped else 'It went wrong at'} the step **{escape(at)}**.\n\n"
    st.error(
        f"{lead if at else ''}{_why(run, kill if is_stopped else None)}\n\n"
        "The incident, its evidence and every finding so far are saved. "
        "This run carries out nothing more.",
        title=state_chip(state).word,
        icon=":material/error:",
    )
    if not standing.incident.status.is_live:
        return
    with st.container(key="after_failure", gap="small"):
        st.markdown("**What to do**")
        if state == "FAILED":
            render_power(Command.RESTART, standing, ask, place="failure")
        render_power(Command.RUN_AGAIN, standing, ask, place="failure")


def _why(run: ExecutionRecord, kill: Owed | None) -> str:
    """Why it ended so, as Markdown: the reason on record, else the person who had it killed."""
    if run.problem:
        return safe_markdown(run.problem)
    if kill is None:
        return "The flow gave no reason; its log may."
    reason = str(kill.payload.get("reason") or "")
    said = f": {escape(reason)}" if reason and reason != NO_REASON else "."
    return f"{escape(kill.requested_by_name or 'Somebody')} asked for it{said}"


def render_earlier_runs(
    runs: Sequence[ExecutionRecord], now: datetime, kestra_page: Callable[[str], str | None]
) -> None:
    """The runs before the latest one, newest first, with their ends."""
    if not runs:
        return
    with st.expander(f"Earlier runs ({len(runs)})", icon=":material/history:", key="earlier_runs"):
        for run in runs:
            st.markdown(
                f"{state_chip(run.state or 'CREATED').markdown()} {code(run.kestra_execution_id)}  \n"
                f":small[{_end_of(run, now)}]"
            )
            if run.problem:
                st.caption(safe_markdown(run.problem))
            if page := kestra_page(run.kestra_execution_id):
                st.link_button("Open in Kestra", page, icon=":material/open_in_new:", type="tertiary")


def _end_of(run: ExecutionRecord, now: datetime) -> str:
    if run.ended_at is None:
        told = ["Its end is not known yet."]
    elif run.started_at is None:
        told = [f"Ended {with_age(run.ended_at, now)}."]
    else:
        took = unbroken(duration_words((run.ended_at - run.started_at).total_seconds()))
        told = [f"Ended {with_age(run.ended_at, now)} after {took}."]
    if run.step and run.step != "finish_run" and run.state != "SUCCESS":
        told.append(f"At the step {escape(step_title(run.step))}.")
    if run.requested_by_name:
        told.append(f"Asked for by {escape(run.requested_by_name)}.")
    return " ".join(told)
