"""What an edit changed in a proposal, in words."""

from __future__ import annotations

from dashboard.domain.action import ProposedAction
from dashboard.domain.approval import Proposal


def changes(before: Proposal, after: Proposal) -> tuple[str, ...]:
    """One sentence a change, in the order of the new proposal; what was taken out comes last."""
    old = {action.key: action for action in before.actions}
    new = {action.key: action for action in after.actions}
    said = [
        sentence
        for key, action in new.items()
        for sentence in (_changed(old[key], action) if key in old else (f"Added: {_named(action)}.",))
    ]
    said += [f"Taken out: {_named(action)}." for key, action in old.items() if key not in new]
    kept = [key for key in old if key in new]
    if kept != [key for key in new if key in old]:
        said.append("The order of the actions is another one.")
    return tuple(said)


def _changed(old: ProposedAction, new: ProposedAction) -> tuple[str, ...]:
    names = [*new.parameters, *(name for name in old.parameters if name not in new.parameters)]
    sentences = [
        f"{new.title}: {name} was {_value(old.parameters, name)} and is {_value(new.parameters, name)}."
        for name in names
        if old.parameters.get(name) != new.parameters.get(name)
    ]
    if old.catalogue_version != new.catalogue_version:
        sentences.append(
            f"{new.title}: version {old.catalogue_version} of the catalogue, now {new.catalogue_version}."
        )
    return tuple(sentences)


def _value(parameters: dict[str, object], name: str) -> str:
    return str(parameters[name]) if name in parameters else "not set"


def _named(action: ProposedAction) -> str:
    values = ", ".join(f"{name}: {value}" for name, value in action.parameters.items())
    return f"{action.title} ({values})" if values else action.title
