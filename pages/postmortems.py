"""What did we learn? The documents about finished runs, newest first."""

import streamlit as st

from dashboard.domain.clock import utc_now
from dashboard.store import incidents, postmortems
from dashboard.ui import session
from dashboard.ui.cards import render_postmortem
from dashboard.ui.errors_view import render_empty, shown
from dashboard.ui.known import read, render_known

session.require()
st.title("Postmortems")


@st.fragment(run_every=10)
def documents() -> None:
    """One card a document."""
    client = session.require().client
    with shown():
        known = read("postmortems", lambda: postmortems.list_postmortems(client))
        about = incidents.find_incidents(client, [found.incident_id for found in known.value])
        render_known(known)
        for found in known.value:
            incident = about.get(found.incident_id)
            if incident and found.completed_at:
                summary = found.documentation.executive_summary if found.documentation else ()
                first = summary[0].text if summary else found.root_cause or ""
                render_postmortem(incident, first, found.completed_at, utc_now())
        if not known.value:
            render_empty("No postmortem was written yet.", "Each run ends with one.")


documents()
