"""May this happen? One proposal: what, why, how to undo it, the decision, and the record of it."""

import streamlit as st

from dashboard.domain.approval import Decision
from dashboard.domain.clock import utc_now
from dashboard.errors import IncidentScribeError, NotFound
from dashboard.routes import APPROVALS, INCIDENT
from dashboard.store import approvals, executions, incidents, postmortems
from dashboard.ui import session
from dashboard.ui.actions import render_action_runs
from dashboard.ui.approval_state import render_approval_header, render_record
from dashboard.ui.decision import render_decision, render_refusal, render_why_not
from dashboard.ui.errors_view import render_error, shown
from dashboard.ui.known import read, render_known
from dashboard.ui.links import id_in_address, render_link
from dashboard.ui.proposal import find_proposal, render_proposal, render_rollback, render_stored_text
from dashboard.ui.why import render_why
from dashboard.worker import bell

user = session.require()
approval_id = id_in_address() or ""
try:
    if not approval_id:
        raise NotFound("This address names no approval.", to_do="Choose one from the list.")
    approval = read(f"approval_{approval_id}", lambda: approvals.get_approval(user.client, approval_id)).value
    incident, rule, analysis = read(
        f"about_{approval_id}",
        lambda: (
            incidents.get_incident(user.client, approval.incident_id),
            approvals.get_rule(user.client, approval_id),
            postmortems.find_analysis(user.client, approval.incident_id),
        ),
    ).value
except IncidentScribeError as error:
    render_error(error)
    render_link(APPROVALS, APPROVALS.title)
    raise session.PageEnd from error
proposal = find_proposal(approval)


def decide(decision: Decision, reason: str) -> None:
    """Decide on the text that was drawn, and wake the worker that delivers it."""
    approvals.decide(session.require().writer, approval_id, decision, reason, approval.content_hash)
    bell.ring()


@st.fragment(run_every=2)
def record() -> None:
    """How the approval stands; the whole page is drawn anew when that changes, whoever changed it."""
    with shown():
        client = session.require().client
        known = read(f"approval_{approval_id}", lambda: approvals.get_approval(client, approval_id))
        now_stands = known.value
        if now_stands.status is not approval.status:
            st.rerun()
        render_known(known)
        if now_stands.is_pending:
            return
        delivery = executions.find_delivery(client, now_stands.incident_id, approval_id)
        render_record(now_stands, approvals.list_votes(client, approval_id), delivery, utc_now())
        runs = executions.list_action_runs(client, now_stands.incident_id)
        render_action_runs([run for run in runs if run.approval_id == approval_id], utc_now())


render_approval_header(approval, incident, utc_now())
render_link(INCIDENT, f"Incident {incident.external_id}", id=incident.id)
if approval.is_pending and not rule.may_decide:
    render_why_not(rule)
if not approval.is_pending:
    render_refusal(approval)
    st.subheader("Record", anchor=False)
record()
st.subheader("1. What happens if I approve", anchor=False)
render_proposal(approval, proposal)
render_stored_text(approval)
st.subheader("2. Why", anchor=False)
render_why(analysis, rule)
st.subheader("3. If it goes wrong", anchor=False)
render_rollback(proposal)
if approval.is_pending and rule.may_decide:
    st.subheader("4. Decide", anchor=False)
    render_decision(approval, proposal, decide)
