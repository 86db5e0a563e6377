"""A proposal that is edited and a decision that is withdrawn: new approvals, nothing overwritten."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.sql.desk import Desk, Refused


def proposal(instances: int = 3) -> list[dict[str, Any]]:
    return [
        {
            "action": "restart_service",
            "parameters": {"instances": instances},
            "reason": {"text": "Frees the pool.", "evidence": [1]},
        }
    ]


def edit(desk: Desk, person: Any, approval: dict[str, Any], **other: Any) -> dict[str, Any]:
    arguments = {
        "proposal": proposal(),
        "content_hash": approval["content_hash"],
        "reason": "Three, not two.",
    } | other
    answer: dict[str, Any] = desk.by(person, "edit_proposal", approval_id=approval["id"], **arguments)
    return answer


def withdraw(desk: Desk, person: Any, approval: dict[str, Any], reason: str = "Wrong one.") -> dict[str, Any]:
    answer: dict[str, Any] = desk.by(person, "withdraw_decision", approval_id=approval["id"], reason=reason)
    return answer


def stored(desk: Desk, approval_id: Any) -> dict[str, Any]:
    return desk.row("select * from approvals where id = %s", approval_id)


def refused(call: Callable[[], object]) -> Refused:
    with pytest.raises(Refused) as caught:
        call()
    return caught.value


def test_an_edit_is_a_new_approval_that_supersedes_and_the_old_text_stays(desk: Desk) -> None:
    _, old = desk.waiting()
    new = stored(desk, edit(desk, desk.ana, old)["approval_id"])
    before = stored(desk, old["id"])
    assert (before["status"], before["proposal_text"]) == ("cancelled", old["proposal_text"])
    assert (new["status"], new["supersedes"], new["edit_reason"]) == ("pending", old["id"], "Three, not two.")
    assert '"instances": 3' in new["proposal_text"]
    assert new["content_hash"] != old["content_hash"]
    assert new["deadline_at"] >= old["deadline_at"]
    assert desk.row("select status from incidents")["status"] == "awaiting_approval"


def test_the_editor_does_not_decide_and_somebody_else_does(desk: Desk) -> None:
    execution, old = desk.waiting()
    new = stored(desk, edit(desk, desk.ana, old)["approval_id"])
    assert refused(lambda: desk.decide(desk.ana, new)).code == "four_eyes"
    desk.decide(desk.ben, new)
    leave = desk.begin(execution)
    assert leave["allowed"]
    assert '"instances": 3' in leave["request"]["body"]


def test_whose_edit_is_still_in_the_text_does_not_decide_after_another_edit_either(desk: Desk) -> None:
    _, old = desk.waiting()
    first = stored(desk, edit(desk, desk.ana, old)["approval_id"])
    second = stored(desk, edit(desk, desk.ben, first, proposal=proposal(4))["approval_id"])
    assert refused(lambda: desk.decide(desk.ana, second)).code == "four_eyes"
    assert refused(lambda: desk.decide(desk.ben, second)).code == "four_eyes"
    assert edit(desk, desk.ben, second, proposal=proposal(5))["content_hash"]


def test_where_an_organization_allows_it_the_editor_decides(desk: Desk) -> None:
    desk.configure("organizations", desk.organization, self_approval_allowed=True)
    _, old = desk.waiting()
    new = stored(desk, edit(desk, desk.ana, old)["approval_id"])
    assert desk.decide(desk.ana, new)["status"] == "approved"


def test_nobody_left_to_decide_is_said_at_once(desk: Desk) -> None:
    _, old = desk.waiting()
    for person in (desk.ben, desk.ada):
        desk.configure("profiles", person.id, active=False)
    edit(desk, desk.ana, old)
    incident = desk.row("select status, needs_human, needs_human_reason from incidents")
    assert (incident["status"], incident["needs_human"]) == ("awaiting_approval", True)
    assert "no active person may decide" in incident["needs_human_reason"]


@pytest.mark.parametrize(
    "wrong",
    [
        [{"action": "drop_database"}],
        [{"action": "restart_service", "parameters": {"instances": 99}}],
        [{"action": "restart_service", "parameters": {"instances": 3, "shell": "rm -rf /"}}],
        [{"action": "restart_service", "parameters": {"instances": "3; drop table"}}],
        {"action": "restart_service"},
        proposal() * 6,
    ],
)
def test_what_the_catalogue_does_not_have_cannot_be_edited_in(desk: Desk, wrong: Any) -> None:
    _, old = desk.waiting()
    assert refused(lambda: edit(desk, desk.ana, old, proposal=wrong)).sqlstate == "PT422"
    assert stored(desk, old["id"])["status"] == "pending"


def test_an_edit_is_refused_like_a_decision(desk: Desk) -> None:
    _, old = desk.waiting(desk.ana)
    assert refused(lambda: edit(desk, desk.rita, old)).code == "not_approver"
    assert refused(lambda: edit(desk, desk.ana, old)).code == "four_eyes"
    assert refused(lambda: edit(desk, desk.ben, old, content_hash="0" * 64)).code == "stale_content"
    assert refused(lambda: edit(desk, desk.ben, old, reason=" ")).code == "reason_required"
    assert refused(lambda: edit(desk, desk.ben, old, proposal=proposal(2))).sqlstate == "PT422"
    other = Desk(desk.url, "other")
    assert refused(lambda: edit(other, other.ana, old)).sqlstate == "PT404"
    desk.decide(desk.ben, old)
    assert refused(lambda: edit(desk, desk.ben, old)).code == "already_decided"


def test_a_stale_page_cannot_decide_on_what_was_edited(desk: Desk) -> None:
    _, old = desk.waiting()
    new = edit(desk, desk.ana, old)
    assert refused(lambda: desk.decide(desk.ben, old)).code == "not_pending"
    old_text_on_new = {"id": new["approval_id"], "content_hash": old["content_hash"]}
    assert refused(lambda: desk.decide(desk.ben, old_text_on_new)).code == "stale_content"


def test_a_withdrawn_decision_leaves_the_same_text_waiting(desk: Desk) -> None:
    execution, old = desk.waiting()
    desk.decide(desk.ana, old)
    new = stored(desk, withdraw(desk, desk.ana, old)["approval_id"])
    before = stored(desk, old["id"])
    assert (before["status"], before["cause"], before["decided_by"]) == (
        "cancelled",
        "withdrawn: Wrong one.",
        None,
    )
    assert (new["status"], new["content_hash"], new["supersedes"]) == (
        "pending",
        old["content_hash"],
        old["id"],
    )
    assert desk.row("select status from outbox where kind = 'deliver_decision'")["status"] == "withdrawn"
    assert not desk.begin(execution)["allowed"]
    vote = desk.row("select decision, voter_name from approval_votes")
    assert vote == {"decision": "approved", "voter_name": "Ana"}


def test_after_a_withdrawal_another_decision_is_delivered_and_carried_out(desk: Desk) -> None:
    execution, old = desk.waiting()
    desk.decide(desk.ana, old, "rejected")
    new = stored(desk, withdraw(desk, desk.ana, old)["approval_id"])
    desk.decide(desk.ana, new)
    owed = desk.by_flow("take_outbox", worker="w", kinds="{deliver_decision}")
    assert owed["payload"]["approval_id"] == str(new["id"])
    assert desk.begin(execution)["allowed"]


def test_only_the_decider_withdraws(desk: Desk) -> None:
    _, old = desk.waiting()
    desk.decide(desk.ana, old)
    assert refused(lambda: withdraw(desk, desk.ben, old)).code == "not_approver"
    assert refused(lambda: withdraw(desk, desk.ada, old)).code == "not_approver"
    assert refused(lambda: withdraw(desk, desk.ana, old, " ")).code == "reason_required"


def test_what_is_being_delivered_or_was_delivered_is_not_withdrawn(desk: Desk) -> None:
    _, old = desk.waiting()
    assert refused(lambda: withdraw(desk, desk.ana, old)).code == "not_decided"
    desk.decide(desk.ana, old)
    owed = desk.by_flow("take_outbox", worker="w", kinds="{deliver_decision}")
    assert refused(lambda: withdraw(desk, desk.ana, old)).code == "being_delivered"
    desk.by_flow("settle_outbox", id=owed["id"], lease_token=owed["lease_token"], outcome="done")
    assert refused(lambda: withdraw(desk, desk.ana, old)).code == "delivered"


def test_what_was_begun_is_not_withdrawn(desk: Desk) -> None:
    execution, old = desk.waiting()
    desk.decide(desk.ana, old)
    assert desk.begin(execution)["allowed"]
    assert refused(lambda: withdraw(desk, desk.ana, old)).code == "delivered"
