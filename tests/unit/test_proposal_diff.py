"""What an edit changed, as people read it."""

from __future__ import annotations

import json
from typing import Any

from dashboard.domain.approval import Proposal, parse_proposal
from dashboard.domain.proposal_diff import changes
from tests.app.examples import make_proposal_text


def proposal(**actions: dict[str, Any]) -> Proposal:
    """A proposal of these actions: each is the example's with another key and other parameters."""
    text = json.loads(make_proposal_text())
    (example,) = text["actions"]
    text["actions"] = [
        example | {"key": key, "action": key, "title": key.capitalize(), "parameters": parameters}
        for key, parameters in actions.items()
    ]
    return parse_proposal(json.dumps(text))


def test_nothing_changed_is_nothing_to_say() -> None:
    assert changes(proposal(restart={"instances": 2}), proposal(restart={"instances": 2})) == ()


def test_a_parameter_is_named_with_both_values() -> None:
    before, after = (
        proposal(restart={"instances": 2, "drain": True}),
        proposal(restart={"instances": 3, "wait": 5}),
    )
    assert changes(before, after) == (
        "Restart: instances was 2 and is 3.",
        "Restart: wait was not set and is 5.",
        "Restart: drain was True and is not set.",
    )


def test_added_removed_and_reordered_actions_are_named() -> None:
    before = proposal(restart={}, purge={}, scale={"to": 4})
    after = proposal(purge={}, restart={}, warm={"pods": 1})
    assert changes(before, after) == (
        "Added: Warm (pods: 1).",
        "Taken out: Scale (to: 4).",
        "The order of the actions is another one.",
    )
