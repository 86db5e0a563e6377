"""May this happen? One proposal: what, why, how to undo it, what was decided before, the decision."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import streamlit as st

from dashboard.domain.approval import Decision
from dashboard.domain.clock import utc_now
from dashboard.domain.powers import Command
from dashboard.errors import IncidentScribeError, NotFound
from dashboard.routes import APPROVALS
from dashboard.store import approvals, audit, cases, decisions, services
from dashboard.store.people import Role
from dashboard.ui import session
from dashboard.ui.approval_reading import render_reading, render_top
from dashboard.ui.approval_record import render_course, render_votes
from dashboard.ui.attention import render_attention
from dashboard.ui.decision import UNREACHABLE, render_decision, render_refusal
from dashboard.ui.errors_view import render_error, shown
from dashboard.ui.known import read
from dashboard.ui.links import id_in_address, render_link
from dashboard.ui.live import live, organization_topic
from dashboard.ui.page_header import render_freshness_line, render_outage
from dashboard.ui.proposal import find_proposal
from dashboard.ui.proposal_editor import render_editor, render_withdrawal
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


def edit(actions: Sequence[Mapping[str, Any]], reason: str) -> str:
    """Put another proposal in this one's place; its id."""
    made = approvals.edit(session.require().writer, approval_id, actions, reason, approval.content_hash)
    return made.approval_id


def withdraw(reason: str) -> str:
    return approvals.withdraw(session.require().writer, approval_id, reason).approval_id


def run_again() -> None:
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
        if stands.is_pending:
            if not is_away:
                seen = (stands.id, stands.content_hash)
                session.once(stands.content_hash, audit.note_seen, reader.writer, *seen)
            if about.rule.required > 1:
                ask_rule = partial(approvals.get_rule, reader.client, approval_id)
                render_votes(about.rule, read(f"rule_{approval_id}", ask_rule).value)
            ask = partial(decisions.get_attention, reader.client, stands)
            render_attention(read(f"attention_{approval_id}", ask).value, reader.person.user_id, utc_now())
        else:
            course = read(f"course_{approval_id}", lambda: decisions.get_course(reader.client, stands)).value
            may_start = reader.may(Role.RESPONDER) and about.incident.status.is_live
            render_course(stands, course, utc_now(), run_again if may_start else None)
            render_withdrawal(stands, reader.person.user_id, withdraw)


render_top(approval, about, utc_now())
if not approval.is_pending:
    render_refusal(approval, user.person.user_id)
record()
render_reading(approval, proposal, about, utc_now())
if approval.is_pending and about.rule.may_decide:
    render_decision(approval, proposal, about.rule, decide, unreachable=UNREACHABLE if known.error else "")
    if proposal is not None and not known.error:
        catalogue = partial(services.list_catalogue, user.client, about.incident.service_id)
        render_editor(approval, proposal, catalogue, edit)
