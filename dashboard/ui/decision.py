"""Deciding: one reason field and two equal buttons, in one scope, so that no press is lost to typing."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from dashboard.domain.approval import Approval, ApprovalRule, Decision, Proposal
from dashboard.errors import (
    AlreadyDecided,
    FieldProblem,
    IncidentScribeError,
    InvalidInput,
    UpstreamUnreachable,
)
from dashboard.ui.errors_view import render_error
from dashboard.ui.proposal import approve_label, effect_of_approving, why_not_approve, word_to_type
from dashboard.ui.text import escape

_TYPED_STAYS = "What you typed stays."
_NARROW = 140  # pixels: two beside each other on a phone

_WORD = "word"

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


def render_decision(
    approval: Approval,
    proposal: Proposal | None,
    rule: ApprovalRule,
    decide: Decide,
    *,
    unreachable: str = "",
) -> None:
    """The reason field and both buttons. A refusal is shown at once; the page then shows how things stand.

    `unreachable` says why nothing can be decided just now; what was typed stays. Who has approved, where more
    people must, may still reject.
    """
    field, word, refusal = f"reason_{approval.id}", f"word_{approval.id}", f"refusal_{approval.id}"
    wanted = word_to_type(proposal)

    def press(decision: Decision) -> None:
        st.session_state.pop(refusal, None)
        typed = str(st.session_state.get(word, "")).strip()
        if decision is Decision.APPROVED and wanted and typed != wanted:
            st.session_state[refusal] = InvalidInput(
                f"This is of high risk: type {wanted} above to approve it.",
                fields=[FieldProblem(_WORD, "is not the name of the service")],
            )
            return
        try:
            decide(decision, str(st.session_state.get(field, "")).strip())
        except IncidentScribeError as error:
            st.session_state[refusal] = error
            st.session_state[_pressed(approval)] = decision

    error: IncidentScribeError | None = st.session_state.get(refusal)
    st.subheader("5. Decide", anchor=False)
    st.text_area(
        "Reason",
        key=field,
        max_chars=2_000,
        height=96,
        placeholder="Needed to reject; helps the postmortem when you approve.",
        persist_state="page",
    )
    if isinstance(error, InvalidInput) and not _is_about_the_word(error):
        st.markdown(f":red-badge[:material/error: {escape(error.what)}]")
    if wanted:
        st.text_input(
            f"To approve: the name of the service, {escape(wanted)}", key=word, persist_state="page"
        )
        if isinstance(error, InvalidInput) and _is_about_the_word(error):
            st.markdown(f":red-badge[:material/error: {escape(error.what)}]")
    st.markdown(f"**Approve**: {escape(effect_of_approving(proposal))}")
    unread = why_not_approve(proposal)
    # Not columns, which stand below each other on a phone.
    with st.grid(2, min_column_width=_NARROW):
        st.button(
            escape(approve_label(proposal, rule)),
            key="decide_approve",
            icon=":material/check:",
            width="stretch",
            wrap=True,
            disabled=bool(unreachable or unread) or rule.has_approved,
            on_click=press,
            args=(Decision.APPROVED,),
        )
        st.button(
            "Reject: carry nothing out",
            key="decide_reject",
            icon=":material/block:",
            width="stretch",
            wrap=True,
            disabled=bool(unreachable),
            on_click=press,
            args=(Decision.REJECTED,),
        )
    if unread:
        st.caption(f":material/block: {escape(unread)}")
    if rule.has_approved:
        st.caption(":material/check: You approved this; it waits for others. You may still reject it.")
    if unreachable:
        st.caption(f":material/cloud_off: {escape(unreachable)} {_TYPED_STAYS}")
    if error and not isinstance(error, InvalidInput):
        render_error(error)


def _is_about_the_word(error: InvalidInput) -> bool:
    return any(problem.field == _WORD for problem in error.fields)


def render_refusal(approval: Approval, reader_id: str) -> None:
    """Why this person's press did not count, on the page that shows who was first; or that it did.

    While it waits, `render_decision` says it.
    """
    if approval.is_pending:
        return
    error: IncidentScribeError | None = st.session_state.pop(f"refusal_{approval.id}", None)
    pressed: Decision | None = st.session_state.pop(_pressed(approval), None)
    if error is None:
        return
    no_answer = isinstance(error, (UpstreamUnreachable, AlreadyDecided))
    is_theirs = approval.decided_by == reader_id and pressed is not None and approval.status == pressed.value
    if no_answer and is_theirs:
        st.info(
            "Your decision arrived the first time; only the answer to it was lost on its way.",
            title="It is decided, by you",
            icon=":material/check:",
        )
    else:
        render_error(error)


def _pressed(approval: Approval) -> str:
    return f"pressed_{approval.id}"
