"""Who decides, once, on what stands there."""

import hashlib
import json
from typing import Any

import pytest

from tests.sql.desk import ANALYSIS, Desk, Person, Refused


def refusal(
    desk: Desk, person: Person, approval: dict[str, Any], decision: str = "approved", **other: Any
) -> Refused:
    with pytest.raises(Refused) as refused:
        desk.decide(person, approval, decision, **other)
    return refused.value


def test_the_proposal_is_rendered_and_hashed_once(desk: Desk) -> None:
    execution, approval = desk.waiting()
    text = approval["proposal_text"]
    assert approval["content_hash"] == hashlib.sha256(text.encode()).hexdigest()
    action = json.loads(text)["actions"][0]
    assert action["request"]["body"] == '{"instances": 2}'
    assert action["request"]["headers"]["Authorization"] == "Bearer ${ACTION_DEMO_TOKEN}", (
        "a secret was rendered"
    )
    again = desk.by_flow("request_approval", kestra_execution_id=execution, proposal=[])
    assert again["content_hash"] == approval["content_hash"], "asked twice, made twice"


@pytest.mark.parametrize("value", ["0", "7", "two", "1; drop table", "", "1e3"])
def test_a_parameter_outside_its_schema_leaves_the_action_out(desk: Desk, value: str) -> None:
    analysis = json.loads(json.dumps(ANALYSIS))
    analysis["proposed_actions"][0]["parameters"][0]["value"] = value
    execution = desk.claim(desk.submit())
    recorded = desk.analysed(execution, analysis)
    asked = desk.by_flow(
        "request_approval", kestra_execution_id=execution, proposal=recorded["analysis"]["proposed_actions"]
    )
    assert asked["nothing_to_carry_out"]
    proposal = json.loads(desk.row("select proposal_text from approvals")["proposal_text"])
    assert "instances" in proposal["problems"][0]
    assert proposal["statement"].startswith("Nothing will be carried out")


class TestTheRule:
    def test_a_responder_may_not_decide(self, desk: Desk) -> None:
        _, approval = desk.waiting()
        other = desk.person("Rob", "responder")
        assert refusal(desk, other, approval).code == "not_approver"

    def test_the_submitter_may_not_decide(self, desk: Desk) -> None:
        _, approval = desk.waiting(desk.ana)
        assert refusal(desk, desk.ana, approval).code == "four_eyes"

    def test_the_submitter_may_decide_where_the_organization_allows_it(self, desk: Desk) -> None:
        desk.configure("organizations", desk.organization, self_approval_allowed=True)
        _, approval = desk.waiting(desk.ana)
        desk.decide(desk.ana, approval)
        assert approval["self_approval_allowed"]
        audited = desk.row("select detail from audit_log where action = 'approval.approved'")
        assert audited["detail"]["self_approval"]

    def test_who_asked_for_the_run_may_not_decide(self, desk: Desk) -> None:
        execution = desk.claim(desk.submit(title="Again and again"))
        desk.by_flow("finish_run", kestra_execution_id=execution, state="FAILED")
        again = desk.submit(desk.ana, title="Again and again")
        execution = desk.claim(again)
        asked = desk.by_flow("request_approval", kestra_execution_id=execution)
        approval = desk.row("select * from approvals where id = %s", asked["approval_id"])
        assert refusal(desk, desk.ana, approval).code == "four_eyes"

    def test_named_people_alone_decide(self, desk: Desk) -> None:
        desk.configure("services", desk.service, approver_ids=[desk.ben.id])
        _, approval = desk.waiting()
        assert refusal(desk, desk.ada, approval).code == "not_approver"
        desk.decide(desk.ben, approval)

    def test_two_approvals_where_two_are_required(self, desk: Desk) -> None:
        desk.configure("services", desk.service, approvals_required=2)
        _, approval = desk.waiting()
        assert desk.decide(desk.ana, approval)["status"] == "pending"
        assert refusal(desk, desk.ana, approval).code == "already_voted"
        assert desk.decide(desk.ben, approval)["status"] == "approved"

    def test_who_approved_is_not_waited_for_and_everybody_sees_the_vote(self, desk: Desk) -> None:
        desk.configure("services", desk.service, approvals_required=2)
        _, approval = desk.waiting()
        desk.decide(desk.ana, approval)
        assert [desk.by(person, "count_waiting") for person in (desk.ana, desk.ben)] == [0, 1]
        mine, bens = (desk.by(person, "waiting_approvals") for person in (desk.ana, desk.ben))
        assert (mine["may_decide"], bens["may_decide"], bens["why_not"]) == (False, True, None)
        assert "You approved this at" in mine["why_not"]
        rule = desk.by(desk.ben, "approval_rule", approval_id=approval["id"])
        assert [vote["voter_name"] for vote in rule["votes"]] == ["Ana"]
        assert (rule["required"], rule["has_approved"], rule["may_decide"]) == (2, False, True)
        assert desk.by(desk.ana, "approval_rule", approval_id=approval["id"])["has_approved"]

    def test_who_approved_may_still_reject_while_others_are_waited_for(self, desk: Desk) -> None:
        desk.configure("services", desk.service, approvals_required=2)
        _, approval = desk.waiting()
        desk.decide(desk.ana, approval)
        assert (
            desk.decide(desk.ana, approval, "rejected", reason="The wrong cluster.")["status"] == "rejected"
        )
        assert refusal(desk, desk.ben, approval).code == "already_decided"

    def test_a_person_switched_off_may_not_decide(self, desk: Desk) -> None:
        _, approval = desk.waiting()
        desk.configure("profiles", desk.ana.id, active=False)
        assert refusal(desk, desk.ana, approval).code == "inactive"

    def test_the_page_is_told_the_same(self, desk: Desk) -> None:
        _, approval = desk.waiting(desk.ana)
        rule = desk.by(desk.ana, "approval_rule", approval_id=approval["id"])
        assert (rule["may_decide"], rule["deciders"]) == (False, ["Ada", "Ben"])
        assert "somebody else" in rule["why_not"]
        assert desk.by(desk.ben, "approval_rule", approval_id=approval["id"])["may_decide"]

    def test_nobody_to_decide_is_said_at_once(self, desk: Desk) -> None:
        for person in (desk.ana, desk.ben, desk.ada):
            desk.configure("profiles", person.id, active=False)
        desk.waiting()
        row = desk.row("select needs_human, needs_human_reason from incidents")
        assert row["needs_human"]
        assert "no active person may decide" in row["needs_human_reason"]


class TestDeciding:
    def test_another_text_than_the_one_seen_cannot_be_decided(self, desk: Desk) -> None:
        _, approval = desk.waiting()
        assert refusal(desk, desk.ana, approval, content_hash="0" * 64).code == "stale_content"

    def test_a_rejection_needs_a_reason(self, desk: Desk) -> None:
        _, approval = desk.waiting()
        assert refusal(desk, desk.ana, approval, "rejected", reason="  ").code == "reason_required"

    def test_who_is_late_reads_who_decided_what_and_why(self, desk: Desk) -> None:
        _, approval = desk.waiting()
        desk.decide(desk.ana, approval, "rejected", reason="Not now")
        late = refusal(desk, desk.ben, approval)
        assert late.code == "already_decided"
        assert (late.detail["by"], late.detail["decision"], late.detail["reason"]) == (
            "Ana",
            "rejected",
            "Not now",
        )

    def test_after_the_deadline_nobody_decides_and_it_expires(self, desk: Desk) -> None:
        execution, approval = desk.waiting()
        desk.rows("update approvals set deadline_at = now() - interval '1 second' returning 1")
        assert refusal(desk, desk.ana, approval).code == "expired"
        assert desk.by_flow("expire_approvals") == {"expired": 1}
        row = desk.row("select status, decided_by from approvals")
        assert (row["status"], row["decided_by"]) == ("expired", None)
        assert "expired" in desk.begin(execution)["reason"]

    def test_an_approval_of_another_organization_does_not_exist(self, desk: Desk) -> None:
        _, approval = desk.waiting()
        other = Desk(desk.url, "globex")
        assert refusal(other, other.ana, approval).code == "not_found"
        assert other.by(other.ana, "waiting_approvals") is None


def test_the_inbox_says_which_are_mine(desk: Desk) -> None:
    desk.waiting(desk.ana)
    mine = desk.by(desk.ben, "waiting_approvals")
    theirs = desk.by(desk.ana, "waiting_approvals")
    assert (mine["may_decide"], theirs["may_decide"]) == (True, False)
    assert mine["summary"] == "Restart on payment-api (instances: 2)."
    assert (desk.by(desk.ben, "count_waiting"), desk.by(desk.ana, "count_waiting")) == (1, 0)
