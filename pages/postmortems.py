"""What did we learn? The documents about finished runs, newest first, found by any word in them."""

import streamlit as st

from dashboard.domain.clock import utc_now
from dashboard.store import postmortems, services
from dashboard.store.postmortems import PAGE_SIZE
from dashboard.ui import session
from dashboard.ui.errors_view import render_empty
from dashboard.ui.known import read
from dashboard.ui.live import live, organization_topic
from dashboard.ui.page_header import headed, render_page_header
from dashboard.ui.paging import page_shown, render_paging
from dashboard.ui.postmortem_list import (
    count_words,
    render_found,
    render_postmortem_filters,
    standing,
)

session.require()


@live(organization_topic(), key="postmortems")
def documents() -> None:
    """Head, fields and the page of the list they ask for: one scope, so that no press is lost to typing."""
    client = session.require().client
    head = st.container()
    with headed("Postmortems", head):
        named = read("services", lambda: services.list_services(client))
        filters = render_postmortem_filters([service.name for service in named.value])
        page = page_shown()
        known = read(
            f"postmortems_{filters}_{page}",
            lambda: postmortems.search_postmortems(client, **filters._asdict(), page=page),
        )
        found = known.value
        with head:
            render_page_header("Postmortems", standing(found.counts, found.most), known)
        if found.too_common:
            render_empty("Every document has these words.", "Search for words that say more.")
        elif not found.rows and filters.is_narrow:
            render_empty("No postmortem matches.", "Clear the search or a filter.")
        elif not found.rows:
            render_empty("No postmortem was written yet.", "Each run ends with one.")
        for document in found.rows:
            render_found(document, utc_now())
        total = found.total(filters.statuses)
        words = count_words(found, filters)
        render_paging(page, total, words, are_more=total >= found.most, size=PAGE_SIZE)


documents()
