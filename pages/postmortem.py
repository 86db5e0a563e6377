"""What happened, and what do we change? The document about one incident: read, written and sent on."""

from contextlib import suppress

import streamlit as st

from dashboard.domain.clock import utc_now
from dashboard.errors import IncidentScribeError, NotFound
from dashboard.routes import INCIDENT, POSTMORTEMS
from dashboard.store import action_items, cases, postmortems
from dashboard.ui import session
from dashboard.ui.action_items import ItemDesk
from dashboard.ui.document import render_document_head, render_standing
from dashboard.ui.document_page import Desks, number_in_address, render_document, show_version
from dashboard.ui.document_watch import DocumentWatch, Drawn, standing
from dashboard.ui.errors_view import shown
from dashboard.ui.exports import render_exports
from dashboard.ui.known import Known, read
from dashboard.ui.links import id_in_address, render_link
from dashboard.ui.live import live, organization_topic
from dashboard.ui.page_header import headed
from dashboard.ui.review import ReviewDesk, objections, render_review, render_review_notes
from dashboard.ui.section_editor import SectionDesk

session.require()
incident_id = id_in_address() or ""
watched = DocumentWatch(incident_id)


def get(version: int | None) -> Known[postmortems.Whole]:
    """The document with a version of it; None: the newest."""
    client = session.require().client
    place = f"postmortem_{incident_id}_{version}"
    return read(place, lambda: postmortems.get_whole(client, incident_id, version))


@live(organization_topic(), key="postmortem_watch")
def watch() -> None:
    """The head, and who else is writing; the whole page is drawn anew when anybody changed something."""
    with shown() if watched.drawn else suppress(IncidentScribeError):
        client = session.require().client
        state = read(f"watch_{incident_id}", lambda: postmortems.get_state(client, incident_id))
        watched.render(state)


@st.fragment
def document() -> None:
    """The document: fields and the buttons that belong to them are one scope, so that no press is lost."""
    user, version, head = session.require(), number_in_address("version"), st.container()
    watched.note(None)
    with headed("Postmortem", head):
        if not incident_id:
            raise NotFound("This address names no incident.", to_do="Choose a postmortem from the list.")
        known = get(version)
        whole, now, me, away = known.value, utc_now(), user.writer, known.why_not
        shown_now = whole.document(version)
        why_not, why_not_publish = objections(user, shown_now.version, whole.newest)
        newer = whole.newer_analysis_id
        review = ReviewDesk(
            lambda status, seen: postmortems.set_status(me, incident_id, status, seen),
            (lambda seen: postmortems.take_analysis(me, incident_id, newer, seen)) if newer else None,
            away or why_not,
            away or why_not_publish,
        )
        desks = Desks(
            SectionDesk(
                lambda section, text, base: postmortems.edit(me, incident_id, section, text, base),
                lambda section, text, base: postmortems.keep_draft(me, incident_id, section, text, base),
                whole.drafts,
                away or why_not,
            ),
            ItemDesk(
                lambda entry: action_items.add(me, incident_id, entry),
                lambda item, entry: action_items.edit(me, item, entry),
                lambda item, done: action_items.set_done(me, item, done=done),
                read("colleagues", lambda: cases.list_colleagues(user.client)).value,
                why_not,
                away,
            ),
            show_version,
            lambda number: get(number).value.document(number),
        )
        watched.note(Drawn(whole.state.mark, whole.incident.title, standing(shown_now, now), known))
        with head:
            watch()
            render_document_head(shown_now, now)
            with st.container(horizontal=True, vertical_alignment="center"):
                render_review(shown_now, review)
                render_exports(shown_now)
                render_link(INCIDENT, f"Incident {whole.incident.external_id}", id=incident_id)
            render_review_notes(shown_now, review)
            render_standing(shown_now, whole.newest, whole.published, show_version)
        render_document(shown_now, desks, now)
        return
    render_link(POSTMORTEMS, POSTMORTEMS.title)
    if incident_id and not watched.drawn:
        watch()


document()
