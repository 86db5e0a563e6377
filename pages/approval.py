"""May this happen? One proposal: what, why, how to undo it, what was decided before, the decision."""

import streamlit as st

from dashboard.domain.approval import Decision
from dashboard.domain.clock import utc_now
from dashboard.domain.powers import Command
from dashboard.errors import IncidentScribeError, NotFound
from dashboard.routes import APPROVALS, INCIDENT
from dashboard.store import approvals, cases, decisions
from dashboard.store.people import Role
from dashboard.ui import session
from dashboard.ui.approval_inbox import render_neighbours
from dashboard.ui.approval_record import render_course
from dashboard.ui.approval_state import render_approval_header
from dashboard.ui.decision import UNREACHABLE, render_decision, render_refusal, render_why_not
from dashboard.ui.errors_view import render_error, shown
from dashboard.ui.known import read
from dashboard.ui.links import id_in_address, render_link
from dashboard.ui.live import live, organization_topic
from dashboard.ui.page_header import render_freshness_line, render_outage
from dashboard.ui.precedent import render_precedents
from dashboard.ui.proposal import find_proposal, render_proposal, render_rollback, render_stored_text
from dashboard.ui.why import render_why
from dashboard.worker import bell

user = session.require()
approval_id = id_in_address() or ""
try:
    if not approval_id:
        raise NotFound("This address names no approval.", to_do="Choose one from the list.")
    known = read(f"approval_{approval_id}", lambda: approvals.get_approval(user.client, approval_id))
    approval = known.value
    about = read(f"about_{approval_id}", lambda: decisions.get_about(user.client, approval)).value
except IncidentScribeError as error:
    render_error(error)
    render_link(APPROVALS, APPROVALS.title)
    raise session.PageEnd from error
proposal = find_proposal(approval)


def decide(decision: Decision, reason: str) -> None:
    """Decide on the text that was drawn, and wake the worker that delivers it."""
    approvals.decide(session.require().writer, approval_id, decision, reason, approval.content_hash)
    bell.ring()


def run_again() -> None:
    """Ask for another run of the incident."""
    cases.request(session.require().writer, Command.RUN_AGAIN, approval.incident_id, "")
    bell.ring()


@live(organization_topic(), key="record")
def record() -> None:
    """How the approval stands; the whole page is drawn anew when that changes, whoever changed it."""
    reader = session.require()
    with shown():
        newest = read(f"approval_{approval_id}", lambda: approvals.get_approval(reader.client, approval_id))
        stands, is_away = newest.value, newest.error is not None
        if stands.status is not approval.status or is_away is not (known.error is not None):
            st.rerun()
        render_freshness_line(newest)
        render_outage(newest)
        if not stands.is_pending:
            course = read(f"course_{approval_id}", lambda: decisions.get_course(reader.client, stands)).value
            may_start = reader.may(Role.RESPONDER) and about.incident.status.is_live
            render_course(stands, course, utc_now(), run_again if may_start else None)


render_approval_header(approval, about.incident, utc_now())
render_link(INCIDENT, f"Incident {about.incident.external_id}", id=about.incident.id)
render_neighbours(about.waiting, approval_id)
if approval.is_pending and not about.rule.may_decide:
    render_why_not(about.rule)
if not approval.is_pending:
    render_refusal(approval)
    st.subheader("Record", anchor=False)
record()
st.subheader("1. What happens if I approve", anchor=False)
render_proposal(approval, proposal)
render_stored_text(approval)
st.subheader("2. Why", anchor=False)
render_why(about.analysis, about.rule)
st.subheader("3. If it goes wrong", anchor=False)
render_rollback(proposal)
st.subheader("4. What was decided before", anchor=False)
render_precedents(about.precedents, utc_now())
if approval.is_pending and about.rule.may_decide:
    st.subheader("5. Decide", anchor=False)
    render_decision(approval, proposal, decide, unreachable=UNREACHABLE if known.error else "")
