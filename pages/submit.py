"""Get this handled: report an incident and be taken to it."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import streamlit as st

from dashboard.domain.draft import Draft
from dashboard.domain.incident import SubmitReceipt, parse_payload
from dashboard.domain.severity import normalise
from dashboard.errors import UpstreamUnreachable
from dashboard.routes import INCIDENT
from dashboard.samples import Sample
from dashboard.store import drafts, incidents, previews, services
from dashboard.store.people import Role
from dashboard.store.services import Service
from dashboard.ui import draft_keeper, session
from dashboard.ui.fields import send_while_typed
from dashboard.ui.links import go_to
from dashboard.ui.page_header import render_page_header
from dashboard.ui.recovery import rerun_when_answered
from dashboard.ui.submit_form import AWAY, collect, open_tabs, render_fields, render_submit
from dashboard.ui.submit_json import heading, render_json, render_submit_json
from dashboard.ui.submit_preview import asked, render_preview
from dashboard.ui.submit_samples import render_samples
from dashboard.worker import bell

user = session.require(Role.RESPONDER)
# In a callback the person is asked for anew: a token of an earlier run may have ended.
me = session.acting
if incident_id := draft_keeper.destination():
    go_to(INCIDENT, id=incident_id)
storage = draft_keeper.Storage(
    find=lambda: drafts.find_draft(me().client),
    save=lambda draft, version: drafts.save_draft(me().client, draft, version),
    discard=lambda: drafts.discard_draft(me().client),
)
kept = draft_keeper.open_draft(user.person.user_id, storage)
ask = partial(asked, partial(previews.preview_submission, user.client))
known: tuple[Service, ...] = ()
why_not = ""
try:
    known = services.list_services(user.client)
except UpstreamUnreachable:
    why_not = AWAY


def submit(raw: Mapping[str, Any], rest: Draft, *, leave: bool = True) -> SubmitReceipt:
    """Save the incident and wake the worker; `rest` stays a draft. The next run leads to the incident."""
    receipt = incidents.submit_incident(me().writer, parse_payload(dict(raw)))
    bell.ring()
    if receipt.joined and leave:
        st.session_state["joined"] = receipt
    draft_keeper.settle(kept, receipt.incident_id if leave else None, rest, storage)
    return receipt


def send_sample(sample: Sample, payload: dict[str, Any]) -> list[SubmitReceipt]:
    """As often as it says; several reports are shown here, one leads to its incident."""
    return [submit(payload, kept.draft, leave=sample.times == 1) for _ in range(sample.times)]


render_page_header(
    "Submit incident", "It is saved first, then the flow is started. Nothing submitted is lost."
)
send_while_typed()
form, pasted, samples = open_tabs()
if form.open:
    with form:
        collect(kept)
        draft = kept.draft
        preview = ask(draft.service, draft.severity, draft.title)
        main, side = st.columns([2, 1], gap="large")
        with main:
            render_fields(kept, known, preview)
        with side:
            render_preview(preview, draft.service, normalise(draft.severity), may_separate=True)
        render_submit(kept, lambda raw: submit(raw, Draft(json_text=kept.draft.json_text)), why_not)
        draft_keeper.keep_and_say(kept, storage)
if pasted.open:
    with pasted:
        main, side = st.columns([2, 1], gap="large")
        with main:
            render_json(kept)
        with side:
            named = heading(kept.draft.json_text)
            render_preview(ask(*named), named[0], normalise(named[1]))
        render_submit_json(kept, lambda raw: submit(raw, kept.draft.without_json()), why_not)
        draft_keeper.keep_and_say(kept, storage)
if samples.open:
    with samples:
        render_samples(kept, send_sample, why_not)
if why_not:
    rerun_when_answered(lambda: services.list_services(me().client))
