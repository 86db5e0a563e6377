"""Changing a proposal within the catalogue: which actions, with which parameters, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard.domain.action import CatalogueAction, ProposedAction
from dashboard.domain.approval import Approval, Proposal
from dashboard.domain.proposal_diff import changes
from dashboard.errors import IncidentScribeError
from dashboard.routes import APPROVAL
from dashboard.ui.errors_view import render_empty, render_error
from dashboard.ui.links import go_to, render_link
from dashboard.ui.text import escape

Save = Callable[[Sequence[Mapping[str, Any]], str], str]
"""Called with actions `{action, parameters, reason}` and the reason; answers the new approval's id."""

_MOST_ACTIONS = 5


@st.fragment
def render_editor(
    approval: Approval, proposal: Proposal, catalogue: Callable[[], Sequence[CatalogueAction]], save: Save
) -> None:
    """Closed until somebody wants it; what is typed stays while the page lives."""
    opened = st.expander(
        "Change the proposal", icon=":material/edit:", key=f"edit_{approval.id}", on_change="rerun"
    )
    if not opened.open:
        return
    with opened:
        st.markdown(
            "It becomes a new proposal, which somebody else decides on; this one is kept as it is. "
            "Only what the catalogue of the service allows can be proposed."
        )
        offered = {action.key: action for action in catalogue()}
        if not offered:
            render_empty("The catalogue of this service is empty, so nothing else can be proposed.")
            return
        wanted = [_field_of(action, offered.get(action.action), approval.id) for action in proposal.actions]
        more = st.multiselect(
            "Add from the catalogue",
            list(offered),
            key=f"edit_more_{approval.id}",
            format_func=lambda key: escape(offered[key].title),
            max_selections=_MOST_ACTIONS,
        )
        wanted += [_fields_of(offered[key], {}, f"{approval.id}_more_{key}") for key in more]
        reason = st.text_input("Why is it changed?", key=f"edit_why_{approval.id}", max_chars=2_000)
        _render_save(approval, [action for action in wanted if action], reason, save)


def _render_save(approval: Approval, actions: Sequence[Mapping[str, Any]], reason: str, save: Save) -> None:
    """The button, and what became of the press."""
    outcome = f"edit_outcome_{approval.id}"

    def press() -> None:
        try:
            st.session_state[outcome] = save(actions, reason.strip())
        except IncidentScribeError as error:
            st.session_state[outcome] = error

    if not actions:
        st.caption(":material/do_not_touch: Without an action nothing would be carried out.")
    st.button("Propose this instead", key="edit_save", icon=":material/edit:", on_click=press, wrap=True)
    became: IncidentScribeError | str | None = st.session_state.pop(outcome, None)
    if isinstance(became, str):
        go_to(APPROVAL, id=became)
    elif became is not None:
        render_error(became)


def _field_of(
    action: ProposedAction, catalogue: CatalogueAction | None, approval_id: str
) -> Mapping[str, Any] | None:
    """Keep it or not, and its parameters; None when it is taken out."""
    place = f"{approval_id}_{action.key}"
    is_kept = st.checkbox(f"**{escape(action.title)}**", value=catalogue is not None, key=f"keep_{place}")
    if catalogue is None:
        st.caption("It is no longer in the catalogue and cannot be proposed again.")
        return None
    if not is_kept:
        return None
    edited = _fields_of(catalogue, action.parameters, place)
    return {**edited, "reason": action.reason.model_dump(mode="json")}


def _fields_of(catalogue: CatalogueAction, now: Mapping[str, Any], place: str) -> Mapping[str, Any]:
    properties: Mapping[str, Mapping[str, Any]] = catalogue.parameters.get("properties", {})
    required = set(catalogue.parameters.get("required", ()))
    parameters = {}
    for name, schema in properties.items():
        value = _parameter(name, schema, now.get(name, schema.get("default")), f"{place}_{name}")
        if value is not None and (value != "" or name in required):
            parameters[name] = value
    reason = {"text": "Added by a person.", "evidence": []}
    return {"action": catalogue.key, "parameters": parameters, "reason": reason}


def _parameter(name: str, schema: Mapping[str, Any], value: Any, key: str) -> Any:
    """A field for one parameter, within the bounds of its schema."""
    label, help_text = escape(name), escape(str(schema.get("description", ""))) or None
    if choices := schema.get("enum"):
        at = list(choices).index(value) if value in choices else None
        return st.selectbox(label, choices, index=at, key=key, help=help_text, format_func=str)
    match schema.get("type"):
        case "integer":
            return st.number_input(
                label,
                min_value=None if (low := schema.get("minimum")) is None else int(low),
                max_value=None if (high := schema.get("maximum")) is None else int(high),
                value=None if value is None else int(value),
                step=1,
                key=key,
                help=help_text,
            )
        case "number":
            return st.number_input(
                label,
                min_value=None if (low := schema.get("minimum")) is None else float(low),
                max_value=None if (high := schema.get("maximum")) is None else float(high),
                value=None if value is None else float(value),
                key=key,
                help=help_text,
            )
        case "boolean":
            return st.checkbox(label, value=bool(value), key=key, help=help_text)
        case _:
            most = int(schema.get("maxLength", 200))
            return st.text_input(label, value=str(value or ""), max_chars=most, key=key, help=help_text)


def render_origin(approval: Approval, proposal: Proposal | None, before: Proposal | None) -> None:
    """Of a proposal that took another one's place: which, whose edit it is, and what is different."""
    if proposal is not None and proposal.edited is not None:
        lines = [f"{escape(proposal.edited.by)} changed it: {escape(proposal.edited.reason)}"]
        lines += [f"- {escape(change)}" for change in (changes(before, proposal) if before else ())]
        st.info("\n".join(lines), title="A changed proposal", icon=":material/difference:")
    else:
        st.info(
            "A decision on the same text was withdrawn. It waits for a decision again.",
            title="It waits anew",
            icon=":material/undo:",
        )
    render_link(APPROVAL, "What it took the place of", id=approval.supersedes or "")


def render_withdrawal(approval: Approval, reader_id: str, withdraw: Callable[[str], str]) -> None:
    """For the decider, until the flow has the decision. `withdraw(reason)` answers the new approval's id."""
    outcome = f"withdrawn_{approval.id}"

    def press() -> None:
        try:
            st.session_state[outcome] = withdraw(str(st.session_state.get("withdraw_why", "")).strip())
        except IncidentScribeError as error:
            st.session_state[outcome] = error

    became: IncidentScribeError | str | None = st.session_state.pop(outcome, None)
    if isinstance(became, str):
        # By now the page knows that it is withdrawn, or not yet.
        go_to(APPROVAL, id=became)
    if not approval.is_withdrawable_by(reader_id):
        return
    with st.expander("Withdraw my decision", icon=":material/undo:", key=f"withdraw_{approval.id}"):
        st.markdown("As long as the flow does not have it. The same text then waits for a decision again.")
        st.text_input("Why is it withdrawn?", key="withdraw_why", max_chars=2_000)
        st.button("Withdraw it", key="withdraw", icon=":material/undo:", on_click=press)
        if isinstance(became, IncidentScribeError):
            render_error(became)
