"""Does anything need me? What waits, what runs, what finished last."""

import streamlit as st

from dashboard.domain.clock import utc_now
from dashboard.routes import APPROVALS, INCIDENTS
from dashboard.store import approvals, executions, incidents
from dashboard.ui import session
from dashboard.ui.cards import render_incident, render_run, render_start, render_waiting
from dashboard.ui.errors_view import render_empty, shown
from dashboard.ui.links import render_link
from dashboard.ui.times import render_freshness

session.require()
st.title("Overview")


@st.fragment(run_every=5)
def needs_you() -> None:
    """Approvals the person may decide, and incidents that say they need somebody."""
    user = session.require()
    st.subheader("Needs you", anchor=False)
    with shown():
        waiting = approvals.list_waiting(user.client)
        mine = [approval for approval in waiting if approval.may_decide]
        stuck = incidents.list_needing_people(user.client)
        for approval in mine:
            render_waiting(approval, utc_now())
        for incident in stuck:
            render_incident(incident, utc_now())
        if not mine and not stuck:
            render_empty("Nothing needs you.")
        if others := len(waiting) - len(mine):
            verb = "waits" if others == 1 else "wait"
            render_link(APPROVALS, f"{others} {'more ' if mine else ''}{verb} for somebody else")
        render_freshness(utc_now(), utc_now(), "polled")


@st.fragment(run_every=3)
def running_now() -> None:
    """Runs that have not ended, and starts that nobody has claimed yet."""
    user = session.require()
    st.subheader("Running now", anchor=False)
    with shown():
        starting = executions.list_starting(user.client)
        running = executions.list_running(user.client)
        about = incidents.find_incidents(
            user.client, [run.incident_id for run in running] + [s.incident_id or "" for s in starting]
        )
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
        finished = executions.list_finished(user.client)
        about = incidents.find_incidents(user.client, [run.incident_id for run in finished])
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
