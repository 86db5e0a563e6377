"""The blocks of the incident's page, each the body of a live fragment; what one costs delays the screen."""

from __future__ import annotations

from contextlib import nullcontext

import streamlit as st

from dashboard.domain.clock import utc_now
from dashboard.domain.execution import ExecutionRecord
from dashboard.domain.steps import timeline
from dashboard.store.cases import Case
from dashboard.ui import incident_header, kestra, run_view
from dashboard.ui.errors_view import render_empty, shown
from dashboard.ui.events import render_events
from dashboard.ui.evidence import render_evidence_panel
from dashboard.ui.findings import render_findings
from dashboard.ui.gantt import render_gantt
from dashboard.ui.incident_actions import render_actions, render_why_nothing
from dashboard.ui.incident_desk import IncidentDesk
from dashboard.ui.incident_dialogs import is_dialog_open, run_page_for_dialog
from dashboard.ui.logs import render_log
from dashboard.ui.report import render_report
from dashboard.ui.requests import render_requests


def render_head(desk: IncidentDesk, drawn: Case) -> None:
    """How the incident stands, and what one can do.

    Another run than the `drawn` one, or its end, draws the whole page anew: other blocks listen to it.
    Not under an open dialog; its closing draws the page as well.
    """
    run_page_for_dialog()
    with shown():
        known, now = desk.case(), utc_now()
        standing = desk.standing(known)
        incident_header.render_incident_header(known, now)
        incident_header.render_pending(known.value)
        with st.container(horizontal=True, gap="small", key="actions"):
            render_actions(standing, desk.asking(known))
            incident_header.render_ids(known.value, desk.address(), kestra.page_of)
        render_why_nothing(standing)
        desk.render_refusal()
        render_requests(known.value, now, desk.withdrawing(known))
        if known.value.phase != drawn.phase and not is_dialog_open(desk.file.incident_id):
            st.rerun()


def render_progress(desk: IncidentDesk, run: ExecutionRecord | None) -> None:
    """The steps of the latest run, and what to do where it went wrong."""
    run_page_for_dialog()
    with shown():
        known, now = desk.case(), utc_now()
        case = known.value
        st.subheader("Progress", anchor=False)
        if case.incident.source == "import":
            render_empty("This incident was imported from history.", "Its run was not handled here.")
        elif case.is_starting or not case.run:
            run_view.render_starting(case.start, now)
        if run is None or case.run is None:
            return
        # A run that nobody has looked at yet is first asked for, which may take a moment.
        is_first_look = st.session_state.get("looked_at") != run.kestra_execution_id
        with st.skeleton(height=420) if is_first_look else nullcontext():
            execution = (snapshot := kestra.watch(run.kestra_execution_id)).execution
        st.session_state["looked_at"] = run.kestra_execution_id
        ended = run_view.render_run_state(case.run, snapshot, now)
        if ended and run_view.went_wrong(case.run, execution):
            standing, ask = desk.standing(known), desk.asking(known)
            run_view.render_ending(case.run, execution, case.kill_of(case.run), standing, ask)
        run_view.render_run_steps(case.run, execution, desk.lines(case, case.run), now)


def render_found(desk: IncidentDesk) -> None:
    """Decision, effects, analysis, as they come in."""
    with shown():
        render_findings(desk.case().value, desk.findings().value, utc_now())


def render_durations(run: ExecutionRecord | None) -> None:
    """The Gantt, in a fragment of its own: a chart that changes is mounted anew."""
    with shown():
        if run and (execution := kestra.watch(run.kestra_execution_id).execution):
            render_gantt(timeline(execution), utc_now())


def render_logged(run: ExecutionRecord | None) -> None:
    """What the flow logged."""
    with shown():
        if run:
            st.subheader("Log", anchor=False)
            name = f"{run.kestra_execution_id}.log"
            render_log(kestra.logs(run.kestra_execution_id), is_live=run.is_live, file_name=name)


def render_background(desk: IncidentDesk) -> None:
    """Evidence, what happened, earlier runs, the report."""
    with shown():
        found, now = desk.findings().value, utc_now()
        if found.analysis:
            render_evidence_panel(found.analysis.evidence)
        st.subheader("What happened", anchor=False)
        render_events(found.events, now, desk.file.get_payload)
        run_view.render_earlier_runs(desk.case().value.runs[1:], now, kestra.page_of)
        render_report(desk.file.get_report)
