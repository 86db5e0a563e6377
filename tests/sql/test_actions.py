"""What may be begun: each condition of the act, and never twice."""

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.sql.desk import ANALYSIS, Desk, Refused


@pytest.fixture
def approved(desk: Desk) -> str:
    """An execution whose proposal was approved."""
    execution, approval = desk.waiting()
    desk.decide(desk.ana, approval)
    return execution


def low(desk: Desk, **payload: Any) -> str:
    desk.configure("services", desk.service, auto_remediate=True)
    execution = desk.claim(desk.submit(severity="LOW", **payload))
    desk.analysed(execution)
    return execution


def finish(desk: Desk, execution: str, nonce: str, outcome: str = "acted", **detail: Any) -> None:
    desk.by_flow(
        "finish_action",
        kestra_execution_id=execution,
        action_key="restart_service",
        nonce=nonce,
        outcome=outcome,
        detail={"code": 200, "verified": True} | detail,
    )


class TestLeave:
    def test_what_was_approved_is_what_is_sent(self, desk: Desk, approved: str) -> None:
        leave = desk.begin(approved)
        proposal = json.loads(desk.row("select proposal_text from approvals")["proposal_text"])
        assert leave["allowed"]
        assert leave["request"] == proposal["actions"][0]["request"]
        assert leave["idempotency_key"] == leave["action_run_id"]

    def test_the_same_nonce_fetches_the_answer_again_another_one_does_not(
        self, desk: Desk, approved: str
    ) -> None:
        first = desk.begin(approved, "nonce-one")
        again = desk.begin(approved, "nonce-one")
        assert (again["allowed"], again["action_run_id"]) == (True, first["action_run_id"])
        assert not desk.begin(approved, "nonce-two")["allowed"]
        assert not desk.begin(approved, "nonce-two", "restart_service")["allowed"]

    def test_of_twenty_processes_at_once_one_begins(self, desk: Desk, approved: str) -> None:
        with ThreadPoolExecutor(20) as pool:
            leaves = list(pool.map(lambda _: desk.begin(approved), range(20)))
        assert sum(leave["allowed"] for leave in leaves) == 1

    def test_pending_is_cancelled_and_a_later_click_is_told(self, desk: Desk) -> None:
        execution, approval = desk.waiting()
        assert not desk.begin(execution)["allowed"]
        row = desk.row("select status, cause from approvals")
        assert row["status"] == "cancelled"
        with pytest.raises(Refused) as refused:
            desk.decide(desk.ana, approval)
        assert (refused.value.code, refused.value.detail["reason"]) == ("not_pending", row["cause"])
        assert desk.row("select needs_human from incidents")["needs_human"]

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ("update approvals set decided_at = now() - interval '25 hours'", "older than 24 hours"),
            ("update approvals set outcome = 'unknown'", "already has its outcome"),
            ("update incidents set status = 'closed'", "is closed"),
            ("update actions set active = false", "not in the catalogue"),
        ],
    )
    def test_each_condition_refuses_by_itself(
        self, desk: Desk, approved: str, change: str, reason: str
    ) -> None:
        desk.rows(f"{change} returning 1")
        leave = desk.begin(approved)
        assert not leave["allowed"]
        assert reason in leave["reason"]

    def test_rejected_is_refused_with_the_reason(self, desk: Desk) -> None:
        execution, approval = desk.waiting()
        desk.decide(desk.ana, approval, "rejected", reason="Not now")
        assert desk.begin(execution)["reason"] == "The proposal is rejected: Not now"

    def test_the_text_cannot_be_changed_under_its_hash(self, desk: Desk, approved: str) -> None:
        with pytest.raises(Exception, match="hash_is_of_the_text"):
            desk.rows("update approvals set proposal_text = replace(proposal_text, '2', '6') returning 1")

    @pytest.mark.parametrize("severity", ["MEDIUM", "HIGH", "CRITICAL"])
    def test_without_approval_only_low_acts(self, desk: Desk, severity: str) -> None:
        desk.configure("services", desk.service, auto_remediate=True)
        execution = desk.claim(desk.submit(severity=severity))
        desk.analysed(execution)
        assert "does not act without an approval" in desk.begin(execution)["reason"]


class TestLow:
    def test_acts_where_the_service_allows_it_and_the_risk_is_low(self, desk: Desk) -> None:
        assert desk.begin(low(desk))["allowed"]

    def test_not_where_the_service_does_not(self, desk: Desk) -> None:
        execution = low(desk)
        desk.configure("services", desk.service, auto_remediate=False)
        assert "does not allow acting" in desk.begin(execution)["reason"]

    def test_not_with_a_higher_risk(self, desk: Desk) -> None:
        desk.configure("actions", desk.action, risk="medium")
        assert "only low risk" in desk.begin(low(desk))["reason"]

    def test_not_twice_for_one_incident(self, desk: Desk) -> None:
        execution = low(desk, title="Late reports")
        desk.begin(execution, "nonce-one")
        finish(desk, execution, "nonce-one", "failed", code=500, verified=False)
        desk.by_flow("finish_run", kestra_execution_id=execution, state="SUCCESS")
        again = desk.claim(desk.submit(severity="LOW", title="Late reports"))
        desk.analysed(again)
        leave = desk.begin(again)
        assert (leave["allowed"], leave["nothing_left"]) == (False, True)
        assert "tried before" in leave["reason"]

    def test_a_direct_webhook_acts_only_where_the_organization_allows_it(self, desk: Desk) -> None:
        desk.configure("organizations", desk.organization, is_default=True)
        desk.configure("services", desk.service, auto_remediate=True)
        payload = {"service": "payment-api", "severity": "LOW", "title": "x"}
        desk.by_flow("open_run", payload=payload, kestra_execution_id="ex-direct")
        desk.analysed("ex-direct")
        assert "direct webhook" in desk.begin("ex-direct")["reason"]
        desk.configure("organizations", desk.organization, auto_remediate_direct_webhooks=True)
        assert desk.begin("ex-direct")["allowed"]


class TestOutcome:
    def test_acted_and_verified_resolves(self, desk: Desk, approved: str) -> None:
        desk.begin(approved, "nonce-one")
        finish(desk, approved, "nonce-one")
        assert desk.row("select status from incidents")["status"] == "resolved"
        assert desk.row("select outcome from approvals")["outcome"] == "acted"
        assert desk.begin(approved)["reason"] == "Everything was carried out."

    @pytest.mark.parametrize(
        ("outcome", "verified", "words"),
        [
            ("acted", False, "could not be seen"),
            ("failed", None, "did not happen"),
            ("unknown", None, "may or may not have happened"),
        ],
    )
    def test_everything_else_needs_a_person(
        self, desk: Desk, approved: str, outcome: str, verified: bool | None, words: str
    ) -> None:
        desk.begin(approved, "nonce-one")
        finish(desk, approved, "nonce-one", outcome, verified=verified)
        row = desk.row("select status, needs_human, needs_human_reason from incidents")
        assert (row["status"], row["needs_human"]) == ("investigating", True)
        assert words in row["needs_human_reason"]

    def test_a_nonce_that_began_nothing_finishes_nothing(self, desk: Desk, approved: str) -> None:
        desk.begin(approved, "nonce-one")
        with pytest.raises(Refused) as refused:
            finish(desk, approved, "nonce-two")
        assert refused.value.code == "not_begun"

    def test_the_first_outcome_stands(self, desk: Desk, approved: str) -> None:
        desk.begin(approved, "nonce-one")
        finish(desk, approved, "nonce-one", "failed", verified=False)
        finish(desk, approved, "nonce-one", "acted")
        assert desk.row("select status from action_runs")["status"] == "failed"

    def test_credentials_in_an_answer_are_not_kept(self, desk: Desk, approved: str) -> None:
        desk.begin(approved, "nonce-one")
        finish(desk, approved, "nonce-one", "failed", body="denied: Bearer abcdefghijklmnop", verified=False)
        assert "abcdefghijklmnop" not in json.dumps(desk.row("select detail from action_runs"))

    def test_a_second_action_runs_only_after_the_first_was_seen_to_work(self, desk: Desk) -> None:
        twice = json.loads(json.dumps(ANALYSIS))
        twice["proposed_actions"] *= 2
        execution = desk.claim(desk.submit())
        proposed = desk.analysed(execution, twice)["analysis"]["proposed_actions"]
        asked = desk.by_flow("request_approval", kestra_execution_id=execution, proposal=proposed)
        desk.decide(desk.ana, desk.row("select * from approvals where id = %s", asked["approval_id"]))
        first = desk.begin(execution, "nonce-one")
        finish(desk, execution, "nonce-one")
        assert desk.row("select status from incidents")["status"] == "investigating"
        second = desk.begin(execution, "nonce-two")
        assert (first["action_key"], second["action_key"]) == ("restart_service", "restart_service-2")


class TestTheEnd:
    def test_a_begun_action_without_outcome_becomes_unknown(self, desk: Desk, approved: str) -> None:
        desk.begin(approved)
        desk.by_flow("finish_run", kestra_execution_id=approved, state="KILLED")
        assert desk.row("select status from action_runs")["status"] == "unknown"
        assert desk.row("select outcome from approvals")["outcome"] == "unknown"

    def test_a_pending_approval_is_cancelled_with_the_cause(self, desk: Desk) -> None:
        execution, _ = desk.waiting()
        desk.by_flow("finish_run", kestra_execution_id=execution, state="KILLED")
        row = desk.row("select status, cause from approvals")
        cause = "The run was killed in Kestra; nobody asked for that at this desk."
        assert (row["status"], row["cause"]) == ("cancelled", cause)

    def test_approved_and_not_acted_is_not_carried_out(self, desk: Desk, approved: str) -> None:
        detail = {"errors": ["boom", "token=abcdefgh"]}
        desk.by_flow("finish_run", kestra_execution_id=approved, state="FAILED", detail=detail)
        row = desk.row("select outcome, outcome_reason from approvals")
        assert row["outcome"] == "not_carried_out"
        assert "boom" in row["outcome_reason"]
        assert "abcdefgh" not in row["outcome_reason"]

    def test_it_is_idempotent_and_a_duplicate_touches_nothing(self, desk: Desk) -> None:
        made = desk.submit()
        owner = desk.claim(made)
        desk.by_flow("open_run", payload={"run_id": made["run_id"]}, kestra_execution_id="ex-dup")
        before = desk.row("select status, version from incidents")
        desk.by_flow("finish_run", kestra_execution_id="ex-dup", state="SUCCESS")
        assert desk.row("select status, version from incidents") == before
        desk.by_flow("finish_run", kestra_execution_id=owner, state="SUCCESS")
        first = desk.row("select count(*) from incident_events")
        desk.by_flow("finish_run", kestra_execution_id=owner, state="SUCCESS")
        assert desk.row("select count(*) from incident_events") == first

    def test_an_unknown_execution_is_answered_not_refused(self, desk: Desk) -> None:
        answer = desk.by_flow("finish_run", kestra_execution_id=f"ex-{uuid.uuid4()}", state="SUCCESS")
        assert answer["known"] is False

    def test_an_unknown_state_is_no_success(self, desk: Desk) -> None:
        execution = desk.claim(desk.submit())
        desk.by_flow("finish_run", kestra_execution_id=execution, state="NOVEL")
        row = desk.row("select needs_human, needs_human_reason from incidents")
        assert row["needs_human"]
        assert "NOVEL" in row["needs_human_reason"]

    def test_a_restarted_execution_goes_on_unless_somebody_took_over(self, desk: Desk) -> None:
        execution = desk.claim(desk.submit(title="Restart me"))
        desk.by_flow("finish_run", kestra_execution_id=execution, state="FAILED")
        desk.by_flow("escalate", kestra_execution_id=execution)
        desk.by_flow("finish_run", kestra_execution_id=execution, state="FAILED")
        desk.claim(desk.submit(title="Restart me"))
        with pytest.raises(Refused) as refused:
            desk.by_flow("escalate", kestra_execution_id=execution)
        assert refused.value.code == "not_owner"
