"""What is it doing? One incident, live."""

import streamlit as st

from dashboard.domain.clock import utc_now
from dashboard.errors import IncidentScribeError, NotFound
from dashboard.routes import INCIDENTS
from dashboard.store import cases
from dashboard.ui import kestra, session
from dashboard.ui.errors_view import render_empty, render_error, shown
from dashboard.ui.findings import render_findings, render_pending
from dashboard.ui.incident_header import render_incident_header, render_joined, render_report
from dashboard.ui.known import Known, read, render_known
from dashboard.ui.links import id_in_address, render_link
from dashboard.ui.logs import render_log_snapshot
from dashboard.ui.run_view import render_run_state, render_starting

EVERY = 2  # seconds between looks

session.require()
incident_id = id_in_address() or ""


def read_case() -> Known[cases.Case]:
    """The case as it stands, or as this tab last knew it."""
    return read(f"case_{incident_id}", lambda: cases.get_case(session.require().client, incident_id))


try:
    if not incident_id:
        raise NotFound("This address names no incident.", to_do="Choose one from the list.")
    drawn = read_case().value
except IncidentScribeError as error:
    render_error(error)
    render_link(INCIDENTS, INCIDENTS.title)
    raise session.PageEnd from error


@st.fragment(run_every=EVERY)
def head() -> None:
    """How the incident stands."""
    with shown():
        known = read_case()
        render_incident_header(known.value.incident, utc_now())
        render_pending(known.value, utc_now())
        render_known(known)


@st.fragment(run_every=EVERY)
def progress() -> None:
    """The steps of the latest run."""
    with shown():
        st.subheader("Progress", anchor=False)
        case = read_case().value
        if case.incident.source == "import":
            render_empty("This incident was imported from history.", "Its run was not handled here.")
            return
        if case.is_starting or not case.run:
            render_starting(case.start, utc_now())
        if case.run:
            render_run_state(case.run, kestra.watch(case.run.kestra_execution_id), utc_now())


@st.fragment(run_every=EVERY)
def findings() -> None:
    """Decision, effects, analysis, as they come in."""
    with shown():
        key, client = f"found_{incident_id}", session.require().client
        found = read(key, lambda: cases.get_findings(client, incident_id)).value
        render_findings(read_case().value, found, utc_now())


@st.fragment(run_every=EVERY)
def log() -> None:
    """What the flow logged."""
    with shown():
        case = read_case().value
        if (run := case.run) and case.incident.source != "import":
            st.subheader("Log", anchor=False)
            render_log_snapshot(kestra.logs(run.kestra_execution_id), key="log_levels")


if "joined" in st.session_state:
    render_joined(st.session_state.pop("joined"), utc_now())
head()
left, right = st.columns([3, 2], gap="large")
with left:
    progress()
    log()
with right:
    findings()
    render_report(drawn.incident)
