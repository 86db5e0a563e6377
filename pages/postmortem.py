"""What happened, and what do we change? The document about one incident."""

import streamlit as st

from dashboard.domain.clock import utc_now
from dashboard.errors import IncidentScribeError, NotFound
from dashboard.routes import INCIDENT, POSTMORTEMS
from dashboard.store import incidents, postmortems
from dashboard.ui import session
from dashboard.ui.analysis import render_model, render_problem
from dashboard.ui.document import render_document
from dashboard.ui.errors_view import render_empty, render_error, shown
from dashboard.ui.evidence import render_evidence
from dashboard.ui.incident_header import render_postmortem_header
from dashboard.ui.known import read, render_known
from dashboard.ui.links import id_in_address, render_link

user = session.require()
incident_id = id_in_address() or ""
try:
    if not incident_id:
        raise NotFound("This address names no incident.", to_do="Choose a postmortem from the list.")
    incident = incidents.get_incident(user.client, incident_id)
    drawn = postmortems.find_analysis(user.client, incident_id)
except IncidentScribeError as error:
    render_error(error)
    render_link(POSTMORTEMS, POSTMORTEMS.title)
    raise session.PageEnd from error


@st.fragment(run_every=None if drawn and drawn.completed_at else 3)
def document() -> None:
    """The document beside its evidence; still growing while the run is not over."""
    with shown():
        known = read(
            f"analysis_{incident_id}",
            lambda: postmortems.find_analysis(session.require().client, incident_id),
        )
        found = known.value
        if found is None:
            render_empty("Nothing was written about this incident yet.", "Its run has to come to its end.")
            return
        text, evidence = st.columns([7, 4], gap="large")
        with text:
            if not found.completed_at:
                st.info("The run is not over: this document is unfinished.", icon=":material/edit_note:")
                render_known(known)
            if found.problem:
                render_problem(found)
            render_model(found)
            with st.container(width=720):
                render_document(found)
        with evidence, st.container(border=True):
            st.markdown(f"**Evidence** ({len(found.evidence)})")
            render_evidence(found.evidence)


render_postmortem_header(incident, utc_now())
render_link(INCIDENT, f"Incident {incident.external_id}", id=incident_id)
document()
