"""What is it doing? One incident, live."""

from contextlib import nullcontext

import streamlit as st

from dashboard.domain.clock import utc_now
from dashboard.domain.steps import timeline
from dashboard.errors import IncidentScribeError, NotFound
from dashboard.routes import INCIDENTS
from dashboard.ui import incident_header, kestra, run_view, session
from dashboard.ui.errors_view import render_empty, render_error, shown
from dashboard.ui.events import render_events
from dashboard.ui.evidence import render_evidence_panel
from dashboard.ui.findings import render_findings
from dashboard.ui.gantt import render_gantt
from dashboard.ui.incident_actions import render_actions, render_why_nothing
from dashboard.ui.incident_desk import IncidentDesk
from dashboard.ui.incident_dialogs import render_open_dialog
from dashboard.ui.links import id_in_address, render_link
from dashboard.ui.live import execution_topic, live, organization_topic
from dashboard.ui.logs import render_log
from dashboard.ui.report import render_report
from dashboard.ui.requests import render_requests

LOG_SECONDS = 2  # lines come between the engine's events

session.require()
desk = IncidentDesk(id_in_address() or "")
try:
    if not desk.incident_id:
        raise NotFound("This address names no incident.", to_do="Choose one from the list.")
    drawn = desk.case().value
except IncidentScribeError as error:
    render_error(error)
    render_link(INCIDENTS, INCIDENTS.title)
    raise session.PageEnd from error
run = drawn.run if drawn.incident.source != "import" else None
news, engine = organization_topic(), execution_topic(run.kestra_execution_id) if run else None


@live(news, key="head")
def head() -> None:
    """How the incident stands, and what one can do. Another run, or its end, draws the whole page anew."""
    with shown():
        known, now = desk.case(), utc_now()
        incident_header.render_incident_header(known, now)
        incident_header.render_pending(known.value)
        with st.container(horizontal=True, gap="small", key="actions"):
            render_actions(desk.standing(known), desk.asking(known))
            incident_header.render_ids(known.value, desk.address(), kestra.page_of)
        render_why_nothing(desk.standing(known))
        desk.render_refusal()
        render_requests(known.value, now, desk.withdrawing(known))
        if known.value.phase != drawn.phase:
            st.rerun()


@live(engine or news, key="progress", headline=bool(run and run.is_live))
def progress() -> None:
    """The steps of the latest run, and what to do where it went wrong."""
    with shown():
        known, now = desk.case(), utc_now()
        case = known.value
        st.subheader("Progress", anchor=False)
        if case.incident.source == "import":
            render_empty("This incident was imported from history.", "Its run was not handled here.")
        elif case.is_starting or not case.run:
            run_view.render_starting(case.start, now)
        if run and case.run:
            with nullcontext() if "gantt" in st.session_state else st.skeleton(height=420):
                snapshot = kestra.watch(run.kestra_execution_id)
            ended = run_view.render_run_state(case.run, snapshot, now)
            if ended and run_view.went_wrong(case.run, snapshot.execution):
                standing, ask = desk.standing(known), desk.asking(known)
                run_view.render_ending(case.run, snapshot.execution, standing, ask)
            lines = desk.lines(case, case.run, desk.findings().value)
            run_view.render_run_steps(case.run, snapshot.execution, lines, now)


@live(news, key="findings")
def findings() -> None:
    """Decision, effects, analysis, as they come in."""
    with shown():
        render_findings(desk.case().value, desk.findings().value, utc_now())


@live(engine, key="durations")
def durations() -> None:
    """The Gantt, in a fragment of its own: a chart that changes is mounted anew."""
    with shown():
        if run and (execution := kestra.watch(run.kestra_execution_id).execution):
            render_gantt(timeline(execution), utc_now())


@live(engine, key="log", refresh_seconds=LOG_SECONDS if run and run.is_live else 30)
def log() -> None:
    """What the flow logged."""
    with shown():
        if run:
            st.subheader("Log", anchor=False)
            render_log(
                kestra.logs(run.kestra_execution_id),
                is_live=run.is_live,
                file_name=f"{run.kestra_execution_id}.log",
            )


@live(news, key="background")
def background() -> None:
    """Evidence, what people did, earlier runs, the report."""
    with shown():
        found, now = desk.findings().value, utc_now()
        if found.analysis:
            render_evidence_panel(found.analysis.evidence)
        st.subheader("What happened", anchor=False)
        render_events(found.events, now, desk.payload)
        run_view.render_earlier_runs(desk.case().value.runs[1:], now, kestra.page_of)
        render_report(desk.report)


if "joined" in st.session_state:
    incident_header.render_joined(st.session_state.pop("joined"), utc_now())
head()
# On a phone the columns follow each other: steps, findings, durations, log, background.
steps_place, findings_place = st.columns([3, 2], gap="large")
below, beside = st.columns([3, 2], gap="large")
# What Supabase knows is here at once; what Kestra knows may take a moment.
with findings_place:
    findings()
with beside:
    background()
with steps_place:
    progress()
with below:
    durations()
    log()
render_open_dialog(desk.incident_id, desk.deeds())
