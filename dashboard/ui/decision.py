"""Deciding: one reason field and two equal buttons, in one scope, so that no press is lost to typing."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from dashboard.domain.approval import Approval, ApprovalRule, Decision, Proposal
from dashboard.errors import IncidentScribeError, InvalidInput
from dashboard.ui.errors_view import render_error
from dashboard.ui.proposal import approve_label
from dashboard.ui.text import escape

Decide = Callable[[Decision, str], None]
"""Called with the decision and the reason as typed; raises errors of our tree."""


def render_why_not(rule: ApprovalRule) -> None:
    """Said before anybody types: this person cannot decide, and who can."""
    who = (
        ", ".join(escape(name) for name in rule.deciders)
        or "nobody who is active: an admin has to change the rule"
    )
    st.info(
        f"{escape(rule.why_not or 'You may not decide on this.')}  \nWho may decide: {who}.",
        title="You cannot decide on this",
        icon=":material/visibility:",
    )


def render_decision(approval: Approval, proposal: Proposal | None, decide: Decide) -> None:
    """The reason field and both buttons. A refusal is shown at once; the page then shows how things stand."""
    field, refusal = f"reason_{approval.id}", f"refusal_{approval.id}"

    def press(decision: Decision) -> None:
        st.session_state.pop(refusal, None)
        try:
            decide(decision, str(st.session_state.get(field, "")).strip())
        except IncidentScribeError as error:
            st.session_state[refusal] = error

    error: IncidentScribeError | None = st.session_state.get(refusal)
    st.text_area(
        "Reason",
        key=field,
        max_chars=2_000,
        height=96,
        placeholder="Needed to reject; helps the postmortem when you approve.",
        persist_state="page",
    )
    if isinstance(error, InvalidInput):
        st.markdown(f":red-badge[:material/error: {escape(error.what)}]")
    approve, reject = st.columns(2)
    approve.button(
        escape(approve_label(proposal)),
        key="decide_approve",
        icon=":material/check:",
        width="stretch",
        wrap=True,
        on_click=press,
        args=(Decision.APPROVED,),
    )
    reject.button(
        "Reject: carry nothing out",
        key="decide_reject",
        icon=":material/block:",
        width="stretch",
        wrap=True,
        on_click=press,
        args=(Decision.REJECTED,),
    )
    if error and not isinstance(error, InvalidInput):
        render_error(error)


def render_refusal(approval: Approval) -> None:
    """Why this person's press did not count, on the page that shows who was first."""
    error: IncidentScribeError | None = st.session_state.pop(f"refusal_{approval.id}", None)
    if error:
        render_error(error)
