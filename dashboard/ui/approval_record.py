"""The record of an approval that is over: who, when, why, on which text, what came of it, what to do now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import streamlit as st

from dashboard.domain.approval import Approval, ApprovalOutcome, ApprovalRule, ApprovalStatus, Vote
from dashboard.errors import IncidentScribeError
from dashboard.routes import APPROVAL
from dashboard.store.decisions import Course
from dashboard.store.executions import Owed
from dashboard.ui.actions import outcome_sentence, render_action_runs
from dashboard.ui.approval_state import delivery_lines
from dashboard.ui.cards import record_sentences
from dashboard.ui.errors_view import render_error
from dashboard.ui.links import render_link
from dashboard.ui.text import escape
from dashboard.ui.times import absolute


def render_course(
    approval: Approval,
    course: Course,
    now: datetime,
    start: Callable[[], object] | None,
    why_not: str = "",
) -> None:
    """The whole record. `start` asks for another run of the incident; None where the reader may not.

    `why_not` says why nobody can just now.
    """
    render_record(approval, course.votes, course.delivery, now)
    render_action_runs(course.action_runs, now)
    if course.successor:
        render_link(APPROVAL, "What took its place", id=course.successor)
    elif start is not None:
        render_new_run(approval, start, why_not)


def render_record(approval: Approval, votes: Sequence[Vote], delivery: Owed | None, now: datetime) -> None:
    """The whole record: who, when, why, on which text, and what came of it."""
    lines = record_sentences(approval, now)
    lines.append(f"Text decided on: SHA-256 `{approval.content_hash[:12]}…`")
    lines += delivery_lines(approval, delivery, now)
    if outcome := outcome_sentence(approval):
        lines.append(f"**Outcome**: {outcome}")
    st.markdown("  \n".join(lines))
    if len(votes) > 1:
        for vote in votes:
            st.caption(f"{escape(vote.voter_name)} {vote.decision} {absolute(vote.at)}")


def render_votes(drawn: ApprovalRule, newest: ApprovalRule) -> None:
    """Where more than one person must approve: how many have, who, when and why.

    The whole page is drawn anew when that is not what it was drawn with.
    """
    if newest.votes != drawn.votes:
        st.rerun()
    missing = newest.required - len(newest.votes)
    before = "one more approves" if missing == 1 else f"{missing} more approve"
    st.markdown(
        f":material/how_to_vote: **{newest.progress} have approved.** Nothing happens before {before}."
    )
    for vote in newest.votes:
        why = f": {escape(vote.reason)}" if vote.reason else ""
        st.caption(f"{escape(vote.voter_name)}, {absolute(vote.at)}{why}")


def render_new_run(approval: Approval, start: Callable[[], object], why_not: str = "") -> None:
    """Where nothing was carried out: another run of the incident, which asks anew. `start` asks for it."""
    said = f"new_run_{approval.id}"

    def press() -> None:
        try:
            start()
        except IncidentScribeError as error:
            st.session_state[said] = error
        else:
            st.session_state[said] = None

    if not _came_to_nothing(approval):
        return
    if said in st.session_state and st.session_state[said] is None:
        st.markdown(":blue-badge[:material/sync: asked for] A new run was asked for; it will ask anew.")
        return
    st.button(
        "Start a new run of this incident",
        key="new_run",
        icon=":material/restart_alt:",
        wrap=True,
        disabled=bool(why_not),
        help=escape(why_not) or None,
        on_click=press,
    )
    if error := st.session_state.get(said):
        render_error(error)


def _came_to_nothing(approval: Approval) -> bool:
    ended = approval.status in (ApprovalStatus.CANCELLED, ApprovalStatus.EXPIRED)
    return ended or approval.outcome is ApprovalOutcome.NOT_CARRIED_OUT
