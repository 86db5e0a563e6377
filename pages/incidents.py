"""Find it: all incidents, with search and filters in the address."""

import streamlit as st

from dashboard.domain.clock import utc_now
from dashboard.store import incidents, services
from dashboard.store.incidents import PAGE_SIZE
from dashboard.ui import session
from dashboard.ui.errors_view import render_empty
from dashboard.ui.incident_filters import render_incident_filters
from dashboard.ui.incident_rows import render_incident_rows
from dashboard.ui.known import read
from dashboard.ui.live import live, organization_topic
from dashboard.ui.page_header import headed, render_page_header
from dashboard.ui.paging import page_shown, render_paging

session.require()


@live(organization_topic(), key="incidents")
def found() -> None:
    """Head, fields and the page of the list they ask for: one scope, so that no press is lost to typing."""
    client = session.require().client
    head = st.container()
    with headed("Incidents", head):
        named = read("services", lambda: services.list_services(client))
        filters = render_incident_filters([service.name for service in named.value], utc_now())
        page = page_shown()
        known = read(f"incidents_{filters}_{page}", lambda: incidents.list_incidents(client, filters, page))
        some = known.value
        with head:
            render_page_header("Incidents", some.standing.sentence, known)
        if some.incidents:
            render_incident_rows("incident_rows", some.incidents, some.now)
        elif filters.is_narrow:
            render_empty("No incident matches.", "Clear the search or a filter.")
        else:
            render_empty("There are no incidents yet.", "Submit one, or try a sample.")
        render_paging(page, some.count, some.count_words, are_more=some.are_more, size=PAGE_SIZE)


found()
