"""A proposal as it would be carried out: in plain words first, to the letter underneath."""

from __future__ import annotations

import json

import streamlit as st

from dashboard.domain.action import HttpRequest, ProposedAction, Risk
from dashboard.domain.approval import Approval, ApprovalRule, Proposal, parse_proposal
from dashboard.store.services import Service
from dashboard.ui.chips import risk_chip
from dashboard.ui.markdown import safe_markdown
from dashboard.ui.text import clean, code, escape

_FITS = 26  # letters: two lines on a phone, as many as the other button has


def find_proposal(approval: Approval) -> Proposal | None:
    """The proposal read from its text; None when the text cannot be read, and then only the text counts."""
    try:
        return parse_proposal(approval.proposal_text)
    except ValueError:
        return None


def render_proposal(approval: Approval, proposal: Proposal | None, service: Service | None) -> None:
    """What happens if somebody approves this, and to what; `service` where the desk knows it."""
    if proposal is None:
        st.warning(
            "The desk cannot read this proposal: below is the stored text, to the letter.",
            title="Shown as stored",
            icon=":material/data_object:",
        )
        st.code(clean(approval.proposal_text), language="json", wrap_lines=True)
        return
    if proposal.nothing_to_carry_out:
        st.info(
            "Nothing will be carried out. Approving lets the flow write the plan and the postmortem.",
            icon=":material/do_not_touch:",
        )
    for number, action in enumerate(proposal.actions, 1):
        _render_action(number, action, of=len(proposal.actions))
    if proposal.actions and service is not None:
        touched = f"{escape(service.name)}, tier {service.tier}, owned by {escape(service.owner)}"
        st.markdown(f"Blast radius: **{touched}**. {escape(service.description)}")
    for problem in proposal.problems:
        st.markdown(f":orange-badge[:material/rule: left out] {escape(problem)}")


def render_stored_text(approval: Approval) -> None:
    """The text that was hashed, and its hash: short at sight, whole on demand."""
    with st.expander(
        f"Exact text, SHA-256 `{approval.content_hash[:12]}…`",
        icon=":material/fingerprint:",
        key="exact_text",
    ):
        st.caption("A decision names this hash. What is carried out is read from this text and nothing else.")
        st.code(approval.content_hash, language=None, wrap_lines=True)
        st.code(clean(approval.proposal_text), language="json", wrap_lines=True)


def render_rollback(proposal: Proposal | None) -> None:
    """How each action is undone."""
    if proposal is None:
        st.markdown("The desk cannot read how this would be undone. What the text says stands above.")
        return
    if not proposal.actions:
        st.markdown("Nothing is carried out, so there is nothing to undo.")
        return
    for action in proposal.actions:
        st.markdown(f"- **{escape(action.title)}**: {escape(action.rollback or 'No way back is recorded.')}")


def why_not_approve(proposal: Proposal | None) -> str:
    """Why nobody is to approve this here; empty where they may."""
    return "" if proposal else "Nobody approves here what the desk cannot read. It can be rejected."


def effect_of_approving(proposal: Proposal | None) -> str:
    """What approving sets going, with its parameters: the sentence above the buttons."""
    if proposal is None:
        return "what the stored text says."
    if proposal.nothing_to_carry_out or not proposal.actions:
        return "carry nothing out, write the plan."
    what, first = _what(proposal), proposal.actions[0]
    values = ", ".join(f"{name}: {json.dumps(value)}" for name, value in first.parameters.items())
    if values:
        what += f" ({values})"
    more = f" and {len(proposal.actions) - 1} more" if len(proposal.actions) > 1 else ""
    return f"{what}{more}."


def approve_label(proposal: Proposal | None, rule: ApprovalRule) -> str:
    """The verb on the button: as short as that of the other one, so that both are of one size on a phone.

    Where several have to approve it says which of how many it is.
    """
    if rule.required > 1:
        return f"Approve: vote {min(len(rule.votes) + 1, rule.required)} of {rule.required}"
    if proposal is None:
        return "Approve: the stored text"
    if proposal.nothing_to_carry_out or not proposal.actions:
        return "Approve: write the plan"
    if len(proposal.actions) > 1:
        return f"Approve: carry out all {len(proposal.actions)}"
    what = _what(proposal)
    return f"Approve: {what}" if len(what) <= _FITS else "Approve: carry it out"


def _what(proposal: Proposal) -> str:
    """The first action and the service."""
    service, title = proposal.incident.service, proposal.actions[0].title
    return title if service.lower() in title.lower() else f"{title} on {service}"


def word_to_type(proposal: Proposal | None) -> str | None:
    """What has to be typed to approve something of high risk: the service's name. None: nothing."""
    if proposal is None or not any(action.risk is Risk.HIGH for action in proposal.actions):
        return None
    return proposal.incident.service


def _render_action(number: int, action: ProposedAction, *, of: int) -> None:
    with st.container(border=True):
        position = f"{number} of {of}: " if of > 1 else ""
        st.markdown(f"**{position}{escape(action.title)}** {risk_chip(action.risk).markdown()}")
        if action.expected_effect:
            st.markdown(f"Expected effect: {escape(action.expected_effect)}")
        if action.reason.text:
            st.markdown(f"Why this: {safe_markdown(action.reason.text)}")
        if action.parameters:
            st.markdown(
                "Parameters: "
                + ", ".join(
                    f"{code(name)} = {code(json.dumps(value, ensure_ascii=False))}"
                    for name, value in action.parameters.items()
                )
            )
        st.markdown("The request that is sent, once:")
        st.code(_request_text(action.request), language=None, wrap_lines=True)
        notes = [f"Catalogue version {action.catalogue_version}."]
        if action.secrets:
            names = ", ".join(code(name) for name in action.secrets)
            notes.append(f"{names} is put in when it is sent and is shown nowhere.")
        if action.verify:
            notes.append(
                f"Afterwards {code(f'{action.verify.method} {action.verify.url}')} is asked for up to "
                f"{action.verify.within_seconds} s whether it worked."
            )
        st.markdown(" ".join(notes))  # not a caption: in its grey the names of keys could not be read


def _request_text(request: HttpRequest) -> str:
    headers = [f"{name}: {value}" for name, value in request.headers.items()]
    body = request.body if isinstance(request.body, str) else json.dumps(request.body, ensure_ascii=False)
    lines = [f"{request.method} {request.url}", *headers]
    if request.body is not None:
        lines += ["", body]
    return clean("\n".join(lines))
