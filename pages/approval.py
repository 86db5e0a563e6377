"""May this happen? One proposal: what, why, how to undo it, what was decided before, the decision."""

from collections.abc import Mapping, Sequence
from functools import partial

import streamlit as st

from dashboard.domain.approval import Decision
from dashboard.domain.clock import utc_now
from dashboard.domain.powers import Command
from dashboard.errors import IncidentScribeError
from dashboard.routes import APPROVALS
from dashboard.store import approvals, audit, cases, decisions, services
from dashboard.store.people import Role
from dashboard.ui import session
from dashboard.ui.approval_reading import read_about, read_approval, render_reading, render_top
from dashboard.ui.approval_record import render_course, render_votes
from dashboard.ui.attention import render_attention
from dashboard.ui.decision import render_decision, render_refusal
from dashboard.ui.errors_view import shown
from dashboard.ui.known import read
from dashboard.ui.links import id_in_address, render_link
from dashboard.ui.live import live, organization_topic
from dashboard.ui.proposal import find_proposal
from dashboard.ui.proposal_editor import render_editor, render_withdrawal
from dashboard.ui.recovery import render_unread
from dashboard.worker import bell

user = session.require()
file = decisions.ApprovalFile(id_in_address() or "", lambda: session.require().client)
try:
    known = read_approval(file)
    approval, about = known.value, read_about(file, known.value)
except IncidentScribeError as error:
    render_unread(error, lambda: read_about(file, read_approval(file).value))
    render_link(APPROVALS, APPROVALS.title)
    raise session.PageEnd from error
proposal = find_proposal(approval)


def decide(decision: Decision, reason: str) -> None:
    """Decide on the text that was drawn, and wake the worker that delivers it."""
    approvals.decide(session.acting().writer, approval.id, decision, reason, approval.content_hash)
    bell.ring()


def edit(actions: Sequence[Mapping[str, object]], reason: str) -> str:
    writer = session.acting().writer
    return approvals.edit(writer, approval.id, actions, reason, approval.content_hash).approval_id


def withdraw(reason: str) -> str:
    return approvals.withdraw(session.acting().writer, approval.id, reason).approval_id


def run_again() -> None:
    cases.request(session.acting().writer, Command.RUN_AGAIN, approval.incident_id, "")
    bell.ring()


@live(organization_topic(), key="head")
def head() -> None:
    """How it stands and how fresh that is; the whole page is drawn anew when it changes, by whomever."""
    with shown():
        newest = read_approval(file)
        if newest.value.status is not approval.status or bool(newest.error) is not bool(known.error):
            st.rerun()
        render_top(newest, about, utc_now())


@live(organization_topic(), key="record")
def record() -> None:
    """Who has seen it, or what became of it."""
    reader = session.require()
    with shown():
        newest = read_approval(file)
        stands, why_not, shown_text = newest.value, newest.why_not, newest.value.content_hash
        if stands.is_pending:
            if not why_not:
                session.once(shown_text, audit.note_seen, reader.writer, stands.id, shown_text)
            if about.rule.required > 1:
                render_votes(about.rule, read(f"rule_{approval.id}", file.get_rule).value)
            ask = partial(decisions.get_attention, reader.client, stands)
            render_attention(read(f"attention_{approval.id}", ask).value, reader.person.user_id, utc_now())
        else:
            course = read(f"course_{approval.id}", lambda: decisions.get_course(reader.client, stands)).value
            start = run_again if reader.may(Role.RESPONDER) and about.incident.status.is_live else None
            render_course(stands, course, utc_now(), start, why_not)
            render_withdrawal(stands, reader.person.user_id, withdraw, why_not)


head()
render_refusal(approval, user.person.user_id)
record()
render_reading(approval, proposal, about, utc_now())
if approval.is_pending and about.rule.may_decide:
    render_decision(approval, proposal, about.rule, decide, unreachable=known.why_not)
    if proposal is not None and not known.error:
        catalogue = partial(services.list_catalogue, user.client, about.incident.service_id)
        render_editor(approval, proposal, catalogue, edit)
