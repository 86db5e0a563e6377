"""Get this handled: report an incident and be taken to it."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard.domain.incident import parse_payload
from dashboard.domain.severity import Severity
from dashboard.errors import IncidentScribeError
from dashboard.routes import INCIDENT
from dashboard.store import incidents, services
from dashboard.store.people import Role
from dashboard.store.services import Service
from dashboard.ui import session
from dashboard.ui.errors_view import render_error
from dashboard.ui.links import go_to
from dashboard.ui.submit_form import render_consequence, render_form, render_json, render_samples
from dashboard.worker import bell

user = session.require(Role.RESPONDER)
if "submitted" in st.session_state:
    go_to(INCIDENT, id=st.session_state.pop("submitted"))
st.title("Submit incident")
st.caption("It is saved first, then the flow is started. Nothing submitted is lost.")


def submit(raw: Mapping[str, Any]) -> None:
    """Save the incident and wake the worker; the next lines of this run lead to the incident."""
    receipt = incidents.submit_incident(session.require(Role.RESPONDER).writer, parse_payload(dict(raw)))
    bell.ring()
    if receipt.joined:
        st.session_state["joined"] = receipt
    st.session_state["submitted"] = receipt.incident_id


known: tuple[Service, ...] = ()
try:
    known = services.list_services(user.client)
except IncidentScribeError as error:
    render_error(error)

main, side = st.columns([2, 1], gap="large")
with main:
    form, pasted, samples = st.tabs(["Form", "JSON", "Samples"], on_change="rerun", key="submit_tab")
    if form.open:
        with form:
            render_form(known, submit)
    if pasted.open:
        with pasted:
            render_json(submit)
    if samples.open:
        with samples:
            render_samples(submit)
with side, st.container(border=True):
    chosen = st.session_state.get("submit_severity") if form.open else None
    name = st.session_state.get("submit_service") if form.open else None
    if form.open:
        render_consequence(
            Severity(chosen) if chosen else None, next((s for s in known if s.name == name), None)
        )
    else:
        st.markdown("**What will happen**")
        for level in (Severity.LOW, Severity.MEDIUM, Severity.HIGH, Severity.CRITICAL):
            st.markdown(f"**{level}**: {level.consequence}")
