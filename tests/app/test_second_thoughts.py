"""Changing a proposal and withdrawing a decision, on the approval's page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.domain.action import CatalogueAction
from dashboard.domain.approval import Approval, Successor
from dashboard.domain.clock import utc_now
from dashboard.errors import Conflict, FieldProblem, InvalidInput
from dashboard.store import approvals, services
from tests.app.conftest import Open, person, words
from tests.app.examples import APPROVAL_ID, ago, make_approval, make_proposal_text
from tests.app.test_approval import Row, away, row

__all__ = ["row"]

NEW_ID = "77777777-7777-4777-8777-777777777777"
SUCCESSOR = Successor(approval_id=NEW_ID, content_hash="ab", deadline_at=utc_now())
RESTART = CatalogueAction.model_validate(
    {
        "id": "a",
        "service_id": "s",
        "key": "restart_service",
        "title": "Restart payment-api",
        "parameters": {
            "type": "object",
            "properties": {"instances": {"type": "integer", "minimum": 1, "maximum": 6}},
            "required": ["instances"],
        },
        "request": {"method": "POST", "url": "http://127.0.0.1:8091/services/payment-api/restart"},
        "risk": "low",
    }
)
PURGE = RESTART.model_copy(update={"key": "purge_cache", "title": "Purge **the** cache", "parameters": {}})

Edited = list[tuple[Sequence[Mapping[str, Any]], str, str]]


@pytest.fixture
def edited(monkeypatch: pytest.MonkeyPatch, row: Row) -> Edited:
    """What reached the database."""
    calls: Edited = []

    def edit(_: object, approval_id: str, actions: Any, reason: str, content_hash: str) -> Successor:
        calls.append((actions, reason, content_hash))
        return SUCCESSOR

    monkeypatch.setattr(approvals, "edit", edit)
    monkeypatch.setattr(services, "list_catalogue", lambda *_: (PURGE, RESTART))
    return calls


def open_editor(open_page: Open) -> AppTest:
    app = open_page("approval", id=APPROVAL_ID)
    app.session_state[f"edit_{APPROVAL_ID}"] = True
    return app.run()


def test_an_edit_names_the_hash_that_was_seen_and_keeps_the_models_reason(
    open_page: Open, edited: Edited
) -> None:
    app = open_editor(open_page)
    assert not app.exception
    app.number_input[0].set_value(4)
    app.multiselect[0].set_value(["purge_cache"])
    app.text_input(key=f"edit_why_{APPROVAL_ID}").set_value("Four, and the cache.")
    # The press comes with the last thing typed: nothing of it was drawn before.
    app.button(key="edit_save").click().run()
    ((actions, reason, _),) = edited
    assert reason == "Four, and the cache."
    assert [(action["action"], action["parameters"]) for action in actions] == [
        ("restart_service", {"instances": 4}),
        ("purge_cache", {}),
    ]
    assert actions[0]["reason"]["text"] == "The pool is exhausted by dead connections."


def test_the_page_follows_an_edit_though_it_hears_first_that_the_old_one_is_over(
    open_page: Open, edited: Edited, row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    def edit(*_: object) -> Successor:
        row.update(status="cancelled", cause="Ana Approver edited it.")
        return Successor(approval_id=NEW_ID, content_hash="ab", deadline_at=ago(-600))

    app = open_editor(open_page)
    monkeypatch.setattr(approvals, "edit", edit)
    app.button(key="edit_save").click().run()
    assert app.query_params["id"] == NEW_ID


def test_an_action_can_be_taken_out_and_that_is_said(open_page: Open, edited: Edited) -> None:
    app = open_editor(open_page)
    app.checkbox[0].uncheck().run()
    assert "nothing would be carried out" in words(app)


def test_what_the_database_refuses_is_said_and_what_was_typed_stays(
    open_page: Open, edited: Edited, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> Successor:
        raise InvalidInput("An edit needs a reason.", fields=[FieldProblem("reason", "is missing")])

    monkeypatch.setattr(approvals, "edit", refuse)
    app = open_editor(open_page)
    app.number_input[0].set_value(5)
    app.run().button(key="edit_save").click().run()
    assert "An edit needs a reason." in words(app)
    assert app.number_input[0].value == 5


def test_a_changed_proposal_says_whose_it_is_and_what_is_different(
    open_page: Open, row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = json.loads(make_proposal_text())
    new["actions"][0]["parameters"] = {"instances": 4}
    new["edited"] = {"by": "Ben **Bold**", "reason": "Two are too few.", "of": "ab"}
    changed = make_approval(proposal_text=json.dumps(new), supersedes=NEW_ID)

    def get(_: object, approval_id: str) -> Approval:
        return changed if approval_id == APPROVAL_ID else make_approval()

    monkeypatch.setattr(approvals, "get_approval", get)
    text = words(open_page("approval", id=APPROVAL_ID))
    assert "Ben **Bold** changed it: Two are too few." in text  # letter by letter
    assert "instances was 2 and is 4" in text


DECIDED = {"status": "approved", "decided_by_name": "Ana Approver", "decided_at": ago(5)}


def test_the_decider_withdraws_until_it_is_delivered(
    open_page: Open, row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def withdraw(_: object, approval_id: str, reason: str) -> Successor:
        asked.append(reason)
        raise Conflict("The decision is being delivered at this moment; look again in a few seconds.")

    monkeypatch.setattr(approvals, "withdraw", withdraw)
    row.update(DECIDED, decided_by=person().person.user_id)
    app = open_page("approval", id=APPROVAL_ID)
    app.text_input(key="withdraw_why").set_value("Wrong tab.")
    app.button(key="withdraw").click().run()
    assert asked == ["Wrong tab."]
    assert "being delivered at this moment" in words(app)


def test_a_withdrawal_that_comes_too_late_says_so_though_it_is_no_longer_offered(
    open_page: Open, row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    def withdraw(*_: object) -> Successor:
        row.update(delivered_at=ago(0))
        raise Conflict("The decision was delivered; it cannot be withdrawn any more.")

    monkeypatch.setattr(approvals, "withdraw", withdraw)
    row.update(DECIDED, decided_by=person().person.user_id)
    app = open_page("approval", id=APPROVAL_ID)
    app.button(key="withdraw").click().run()
    assert "it cannot be withdrawn any more" in words(app)
    assert not [button for button in app.button if button.key == "withdraw"]


def test_while_supabase_is_away_nothing_can_be_withdrawn_and_that_is_said(
    open_page: Open, row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    row.update(DECIDED, decided_by=person().person.user_id)
    app = open_page("approval", id=APPROVAL_ID)
    monkeypatch.setattr(approvals, "get_approval", away)
    button = app.run().button(key="withdraw")
    assert button.disabled
    assert "nothing can be changed just now" in button.help


@pytest.mark.parametrize(
    "fields",
    [{"decided_by": "somebody else"}, {"decided_by": person().person.user_id, "delivered_at": ago(1)}],
)
def test_nobody_else_is_offered_it_nor_afterwards(open_page: Open, row: Row, fields: Row) -> None:
    row.update(DECIDED, **fields)
    app = open_page("approval", id=APPROVAL_ID)
    assert not [button for button in app.button if button.key == "withdraw"]
