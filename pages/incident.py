"""What is it doing? One incident, live."""

import streamlit as st

from dashboard.domain.clock import utc_now
from dashboard.errors import IncidentScribeError, NotFound
from dashboard.routes import INCIDENTS
from dashboard.store.cases import CaseFile
from dashboard.ui import incident_blocks, session
from dashboard.ui.incident_desk import IncidentDesk
from dashboard.ui.incident_dialogs import find_open_dialog, render_open_dialog
from dashboard.ui.incident_header import render_joined
from dashboard.ui.links import id_in_address, render_link
from dashboard.ui.live import execution_topic, live, log_topic, organization_topic
from dashboard.ui.recovery import render_unread

session.require()
incident_id = id_in_address() or ""
file = CaseFile(incident_id, lambda: session.require().client, lambda: session.acting().writer)
desk = IncidentDesk(file)
try:
    if not incident_id:
        raise NotFound("This address names no incident.", to_do="Choose one from the list.")
    drawn = desk.case().value
except IncidentScribeError as error:
    render_unread(error, desk.case)
    render_link(INCIDENTS, INCIDENTS.title)
    raise session.PageEnd from error
asked = find_open_dialog(incident_id)
run = drawn.run if drawn.incident.source != "import" else None
news, engine = organization_topic(), execution_topic(run.kestra_execution_id) if run else None


@live(news, key="head")
def head() -> None:
    incident_blocks.render_head(desk, drawn)


@live(engine, news, key="progress", headline=bool(run and run.is_live))
def progress() -> None:
    incident_blocks.render_progress(desk, run)


@live(news, key="found")
def found() -> None:
    incident_blocks.render_found(desk)


@live(engine, key="durations")
def durations() -> None:
    incident_blocks.render_durations(run)


@live(log_topic(run.kestra_execution_id) if run else None, key="log")
def log() -> None:
    incident_blocks.render_logged(run)


@live(news, key="background")
def background() -> None:
    incident_blocks.render_background(desk)


if "joined" in st.session_state:
    render_joined(st.session_state.pop("joined"), utc_now())
head()
# On a phone the columns follow each other: steps, findings, durations, log, background.
steps_place, found_place = st.columns([3, 2], gap="large")
below, beside = st.columns([3, 2], gap="large")
# What Supabase knows is here at once; what Kestra knows may take a moment.
with found_place:
    found()
with beside:
    background()
with steps_place:
    progress()
with below:
    durations()
    log()
render_open_dialog(asked, desk.deeds())
