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
from dashboard.ui.errors_view import render_empty, render_error, shown
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
    with opened, shown():
        st.markdown(
            "It becomes a new proposal, which somebody else decides on; this one is kept as it is. "
            "Only what the catalogue of the service allows can be proposed."
        )
        offered = {action.key: action for action in catalogue()}
        if not offered:
            render_empty("The catalogue of this service is empty, so nothing else can be proposed.")
            return
        fields = _Fields(approval.id, proposal, offered)
        for action in proposal.actions:
            _render_kept(action, offered.get(action.action), fields.place(action.key))
        st.multiselect(
            "Add from the catalogue",
            list(offered),
            key=fields.more,
            format_func=lambda key: escape(offered[key].title),
            max_selections=_MOST_ACTIONS,
        )
        for key in fields.added:
            _render_parameters(offered[key], {}, fields.place(key, is_added=True))
        st.text_input("Why is it changed?", key=fields.why, max_chars=2_000)
        _render_save(approval, fields, save)


class _Fields:
    """What stands in the fields; read at the press, which may come together with the last thing typed."""

    def __init__(self, approval_id: str, proposal: Proposal, offered: Mapping[str, CatalogueAction]) -> None:
        self._id, self._proposal, self._offered = approval_id, proposal, offered
        self.more, self.why = f"edit_more_{approval_id}", f"edit_why_{approval_id}"

    def place(self, action_key: str, *, is_added: bool = False) -> str:
        """What the keys of an action's fields begin with."""
        return f"{self._id}_more_{action_key}" if is_added else f"{self._id}_{action_key}"

    @property
    def added(self) -> Sequence[str]:
        """Keys of the catalogue's actions that were added."""
        return [key for key in st.session_state.get(self.more) or () if key in self._offered]

    def read_reason(self) -> str:
        return str(st.session_state.get(self.why) or "").strip()

    def read_actions(self) -> Sequence[Mapping[str, Any]]:
        """As `{action, parameters, reason}`: those that are kept, then those that were added."""
        kept = [
            self._read(self._offered[action.action], self.place(action.key))
            | {"reason": action.reason.model_dump(mode="json")}
            for action in self._proposal.actions
            if action.action in self._offered
            and st.session_state.get(_kept_key(self.place(action.key)), True)
        ]
        why = {"text": "Added by a person.", "evidence": []}
        return kept + [
            self._read(self._offered[key], self.place(key, is_added=True)) | {"reason": why}
            for key in self.added
        ]

    def _read(self, action: CatalogueAction, place: str) -> dict[str, Any]:
        required = set(action.parameters.get("required", ()))
        entered = {
            name: st.session_state.get(f"{place}_{name}", schema.get("default"))
            for name, schema in _properties(action).items()
        }
        parameters = {
            name: value
            for name, value in entered.items()
            if value is not None and (value != "" or name in required)
        }
        return {"action": action.key, "parameters": parameters}


def _render_save(approval: Approval, fields: _Fields, save: Save) -> None:
    """The button, and what became of the press."""
    outcome = _outcome(approval)

    def press() -> None:
        try:
            st.session_state[outcome] = save(fields.read_actions(), fields.read_reason())
        except IncidentScribeError as error:
            st.session_state[outcome] = error

    if not fields.read_actions():
        st.caption(":material/do_not_touch: Without an action nothing would be carried out.")
    st.button("Propose this instead", key="edit_save", icon=":material/edit:", on_click=press, wrap=True)
    follow_edit(approval)
    if became := st.session_state.get(outcome):
        render_error(became)


def follow_edit(approval: Approval) -> None:
    """Go to what an edit of this reader made: also from the page itself, which may hear of it first."""
    if isinstance(st.session_state.get(_outcome(approval)), str):
        go_to(APPROVAL, id=st.session_state.pop(_outcome(approval)))


def _outcome(approval: Approval) -> str:
    return f"edit_outcome_{approval.id}"


def _kept_key(place: str) -> str:
    return f"keep_{place}"


def _properties(action: CatalogueAction) -> Mapping[str, Mapping[str, Any]]:
    found: Mapping[str, Mapping[str, Any]] = action.parameters.get("properties", {})
    return found


def _render_kept(action: ProposedAction, catalogue: CatalogueAction | None, place: str) -> None:
    """Keep it or not, and its parameters."""
    is_kept = st.checkbox(f"**{escape(action.title)}**", value=catalogue is not None, key=_kept_key(place))
    if catalogue is None:
        st.caption("It is no longer in the catalogue and cannot be proposed again.")
    elif is_kept:
        _render_parameters(catalogue, action.parameters, place)


def _render_parameters(catalogue: CatalogueAction, now: Mapping[str, Any], place: str) -> None:
    for name, schema in _properties(catalogue).items():
        _render_parameter(name, schema, now.get(name, schema.get("default")), f"{place}_{name}")


def _render_parameter(name: str, schema: Mapping[str, Any], value: Any, key: str) -> None:
    """A field for one parameter, within the bounds of its schema."""
    label, help_text = escape(name), escape(str(schema.get("description", ""))) or None
    if choices := schema.get("enum"):
        at = list(choices).index(value) if value in choices else None
        st.selectbox(label, choices, index=at, key=key, help=help_text, format_func=str)
        return
    match schema.get("type"):
        case "integer":
            st.number_input(
                label,
                min_value=None if (low := schema.get("minimum")) is None else int(low),
                max_value=None if (high := schema.get("maximum")) is None else int(high),
                value=None if value is None else int(value),
                step=1,
                key=key,
                help=help_text,
            )
        case "number":
            st.number_input(
                label,
                min_value=None if (low := schema.get("minimum")) is None else float(low),
                max_value=None if (high := schema.get("maximum")) is None else float(high),
                value=None if value is None else float(value),
                key=key,
                help=help_text,
            )
        case "boolean":
            st.checkbox(label, value=bool(value), key=key, help=help_text)
        case _:
            most = int(schema.get("maxLength", 200))
            st.text_input(label, value=str(value or ""), max_chars=most, key=key, help=help_text)


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


def render_withdrawal(
    approval: Approval, reader_id: str, withdraw: Callable[[str], str], why_not: str = ""
) -> None:
    """For the decider, until the flow has the decision. `withdraw(reason)` answers the new approval's id.

    `why_not` says why nothing can be withdrawn just now.
    """
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
    elif became is not None:
        # What refuses it most often is that it has arrived, and then there is nothing left to press.
        render_error(became)
    if not approval.is_withdrawable_by(reader_id):
        return
    with st.expander("Withdraw my decision", icon=":material/undo:", key=f"withdraw_{approval.id}"):
        st.markdown("As long as the flow does not have it. The same text then waits for a decision again.")
        st.text_input("Why is it withdrawn?", key="withdraw_why", max_chars=2_000)
        st.button(
            "Withdraw it",
            key="withdraw",
            icon=":material/undo:",
            disabled=bool(why_not),
            help=escape(why_not) or None,
            on_click=press,
        )
