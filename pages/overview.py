"""Does anything need me? What waits, what runs, what finished last."""

import streamlit as st
from supabase import Client

from dashboard.domain.clock import utc_now
from dashboard.domain.execution import ExecutionRecord
from dashboard.domain.incident import Incident
from dashboard.routes import APPROVALS, INCIDENTS
from dashboard.store import approvals, executions, incidents
from dashboard.store.executions import Owed
from dashboard.ui import session
from dashboard.ui.cards import render_incident, render_run, render_start, render_waiting
from dashboard.ui.errors_view import render_empty, shown
from dashboard.ui.known import read, render_known
from dashboard.ui.links import render_link

Incidents = dict[str, Incident]

session.require()
st.title("Overview")


def runs_now(client: Client) -> tuple[tuple[Owed, ...], tuple[ExecutionRecord, ...], Incidents]:
    """Starts, runs, and the incidents they are about."""
    starting, running = executions.list_starting(client), executions.list_running(client)
    wanted = [run.incident_id for run in running] + [start.incident_id or "" for start in starting]
    return starting, running, incidents.find_incidents(client, wanted)


def runs_ended(client: Client) -> tuple[tuple[ExecutionRecord, ...], Incidents]:
    """Ended runs, and the incidents they were about."""
    finished = executions.list_finished(client)
    return finished, incidents.find_incidents(client, [run.incident_id for run in finished])


@st.fragment(run_every=5)
def needs_you() -> None:
    """Approvals the person may decide, and incidents that say they need somebody."""
    user = session.require()
    st.subheader("Needs you", anchor=False)
    with shown():
        known = read(
            "needs_you",
            lambda: (approvals.list_waiting(user.client), incidents.list_needing_people(user.client)),
        )
        waiting, stuck = known.value
        mine = [approval for approval in waiting if approval.may_decide]
        for approval in mine:
            render_waiting(approval, utc_now())
        for incident in stuck:
            render_incident(incident, utc_now())
        if not mine and not stuck:
            render_empty("Nothing needs you.")
        if others := len(waiting) - len(mine):
            verb = "waits" if others == 1 else "wait"
            render_link(APPROVALS, f"{others} {'more ' if mine else ''}{verb} for somebody else")
        render_known(known)


@st.fragment(run_every=3)
def running_now() -> None:
    """Runs that have not ended, and starts that nobody has claimed yet."""
    user = session.require()
    st.subheader("Running now", anchor=False)
    with shown():
        starting, running, about = read("running_now", lambda: runs_now(user.client)).value
        for start in starting:
            if incident := about.get(start.incident_id or ""):
                render_start(start, incident, utc_now())
        for run in running:
            render_run(run, about.get(run.incident_id), utc_now())
        if not running and not starting:
            render_empty("Nothing is running.")


@st.fragment(run_every=5)
def finished_last() -> None:
    """The runs that ended last."""
    user = session.require()
    st.subheader("Finished last", anchor=False)
    with shown():
        finished, about = read("finished_last", lambda: runs_ended(user.client)).value
        for run in finished:
            render_run(run, about.get(run.incident_id), utc_now())
        if not finished:
            render_empty("No run has finished yet.", "Submit a sample to see one.")
        render_link(INCIDENTS, "All incidents")


needs_you()
left, right = st.columns(2)
with left:
    running_now()
with right:
    finished_last()
