"""Find it: all incidents, with search and filters in the address."""

import streamlit as st

from dashboard.domain.clock import utc_now
from dashboard.domain.incident import IncidentStatus
from dashboard.domain.severity import Severity
from dashboard.store import incidents
from dashboard.ui import session
from dashboard.ui.cards import render_incident
from dashboard.ui.chips import severity_chip, status_chip
from dashboard.ui.errors_view import render_empty, shown
from dashboard.ui.known import read, render_known

session.require()
st.title("Incidents")

search = st.text_input(
    "Search", key="q", bind="query-params", placeholder="Title, service or id", icon=":material/search:"
)
statuses = st.pills(
    "Status",
    list(IncidentStatus),
    selection_mode="multi",
    key="status",
    bind="query-params",
    format_func=lambda status: status_chip(status).word,
)
severities = st.pills(
    "Severity",
    list(Severity),
    selection_mode="multi",
    key="severity",
    bind="query-params",
    format_func=lambda level: severity_chip(level).word,
)


@st.fragment(run_every=5)
def found() -> None:
    """The page of the list that the filters ask for."""
    user = session.require()
    with shown():
        page = int(st.session_state.get("incidents_page") or 1)
        known = read(
            f"incidents_{search}_{statuses}_{severities}_{page}",
            lambda: incidents.list_incidents(
                user.client, search=search or "", statuses=statuses, severities=severities, page=page
            ),
        )
        render_known(known)
        some, has_more = known.value
        if not some and (search or statuses or severities):
            render_empty("No incident matches.", "Clear the search or a filter.")
        elif not some:
            render_empty("There are no incidents yet.", "Submit one, or try a sample.")
        for incident in some:
            render_incident(incident, utc_now())
        if has_more or page > 1:
            st.pagination(page + has_more, key="incidents_page")


found()
