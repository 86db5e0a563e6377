"""What is said before somebody submits is what then happens."""

from datetime import timedelta
from typing import Any

import pytest

from tests.sql.desk import Desk, Person, Refused


def preview(desk: Desk, person: Person | None = None, **asked: Any) -> dict[str, Any]:
    answer: dict[str, Any] = desk.by(
        person or desk.rita, "preview_submission", **({"service": "payment-api"} | asked)
    )
    answer["by_severity"] = {branch["severity"]: branch for branch in answer["branches"]}
    return answer


class TestMedium:
    @pytest.mark.parametrize(
        "rule",
        [
            {},
            {"approval_role": "admin"},
            {"approval_role": "responder", "approvals_required": 2, "minutes_to_decide": 30},
            {"approver_ids": "ben"},
            {"approver_ids": "rita"},
        ],
    )
    @pytest.mark.parametrize("self_approval_allowed", [False, True])
    def test_who_is_asked_and_until_when_is_who_may_then_decide(
        self, desk: Desk, rule: dict[str, Any], self_approval_allowed: bool
    ) -> None:
        if "approver_ids" in rule:
            rule = rule | {"approver_ids": [getattr(desk, rule["approver_ids"]).id]}
        desk.configure("services", desk.service, **rule)
        desk.configure("organizations", desk.organization, self_approval_allowed=self_approval_allowed)
        said = preview(desk)["by_severity"]["MEDIUM"]
        assert said["does"] == "ask"

        _, approval = desk.waiting()
        people = (desk.vera, desk.rita, desk.ana, desk.ben, desk.ada)
        rules = {
            person.name: desk.by(person, "approval_rule", approval_id=approval["id"]) for person in people
        }
        assert said["deciders"] == sorted(name for name, answer in rules.items() if answer["may_decide"])
        assert approval["deadline_at"] - approval["created_at"] == timedelta(
            minutes=said["minutes_to_decide"]
        )
        assert said["why"] == rules["Rita"]["rule"]
        nobody = desk.row("select needs_human from incidents where id = %s", approval["incident_id"])
        assert nobody["needs_human"] == (said["deciders"] == [])

    def test_a_new_service_follows_the_default_rule(self, desk: Desk) -> None:
        said = preview(desk, service="brand-new")
        assert said["service"] is None
        _, approval = desk.waiting(service="brand-new")
        minutes = said["by_severity"]["MEDIUM"]["minutes_to_decide"]
        assert approval["deadline_at"] - approval["created_at"] == timedelta(minutes=minutes)
        assert said["by_severity"]["MEDIUM"]["deciders"] == ["Ada", "Ana", "Ben"]


class TestLow:
    @pytest.mark.parametrize("auto_remediate", [True, False])
    def test_whether_it_may_act_is_what_the_leave_then_says(self, desk: Desk, auto_remediate: bool) -> None:
        desk.configure("services", desk.service, auto_remediate=auto_remediate)
        said = preview(desk)["by_severity"]["LOW"]
        execution = desk.claim(desk.submit(severity="LOW"))
        desk.analysed(execution)
        leave = desk.begin(execution)
        assert (said["does"] == "act") == leave["allowed"] == auto_remediate
        if not auto_remediate:
            assert said["why"] == leave["reason"]
        assert said["actions"] == [{"title": "Restart", "risk": "low"}]

    def test_an_unknown_service_never_acts(self, desk: Desk) -> None:
        said = preview(desk, service="brand-new")["by_severity"]["LOW"]
        execution = desk.claim(desk.submit(severity="LOW", service="brand-new"))
        desk.analysed(execution)
        assert said["why"] == desk.begin(execution)["reason"]
        assert said["actions"] == []


@pytest.mark.parametrize("severity", ["HIGH", "CRITICAL"])
def test_whom_an_escalation_tells_is_what_was_said(desk: Desk, severity: str) -> None:
    said = preview(desk)["by_severity"][severity]
    execution = desk.claim(desk.submit(severity=severity))
    answer = desk.by_flow("escalate", kestra_execution_id=execution)
    escalation = desk.row("select told, told_nobody from escalations")
    assert said["does"] == "escalate"
    assert (said["told"], said["told"] == []) == (escalation["told"], escalation["told_nobody"])
    assert answer["told"] is not escalation["told_nobody"]


class TestTheTwin:
    @pytest.mark.parametrize(
        ("severity", "live", "effect"),
        [
            ("MEDIUM", True, "counted"),
            ("LOW", True, "counted"),
            ("HIGH", True, "raised"),
            ("LOW", False, "run"),
        ],
    )
    def test_what_it_would_join_is_what_it_then_joins(
        self, desk: Desk, severity: str, live: bool, effect: str
    ) -> None:
        first = desk.submit(title="Error rate 45 %")
        execution = desk.claim(first)
        if not live:
            desk.by_flow("finish_run", kestra_execution_id=execution, state="FAILED")
        said = preview(desk, severity=severity, title="error rate  46 %")["twin"]
        assert said["incident_id"] == first["incident_id"]
        assert said["effect"] == effect
        joined = desk.submit(title="error rate  46 %", severity=severity)
        assert (joined["joined"], joined["incident_id"]) == (True, said["incident_id"])
        assert joined["occurrences"] == said["occurrences"] + 1
        assert (joined["run_id"] is not None) == (effect != "counted")

    def test_a_resolved_one_is_no_twin(self, desk: Desk) -> None:
        made = desk.submit(title="Same")
        desk.rows("update incidents set status = 'resolved' where id = %s returning id", made["incident_id"])
        assert preview(desk, title="Same")["twin"] is None
        assert not desk.submit(title="Same")["joined"]

    def test_another_organizations_incident_is_no_twin(self, desk: Desk) -> None:
        desk.submit(title="Same")
        other = Desk(desk.url, "globex")
        assert preview(other, title="Same")["twin"] is None

    def test_without_a_title_there_is_none(self, desk: Desk) -> None:
        desk.submit(title="Same")
        assert preview(desk)["twin"] is None

    def test_the_same_id_joins_also_what_is_filed_separately(self, desk: Desk) -> None:
        first = desk.submit(id="INC-A", title="Same", file_separately=True)
        again = desk.submit(id="INC-A", title="Same", file_separately=True)
        assert again["joined"]
        assert again["incident_id"] == first["incident_id"]

    def test_one_with_the_same_id_is_found_before_one_with_the_same_title(self, desk: Desk) -> None:
        desk.submit(title="Same")
        named = desk.submit(id="INC-B", title="Other")
        said = preview(desk, title="Same", external_id="INC-B")["twin"]
        assert (said["incident_id"], said["same_id"]) == (named["incident_id"], True)
        assert desk.submit(id="INC-B", title="Same")["incident_id"] == named["incident_id"]


def test_a_preview_changes_nothing(desk: Desk) -> None:
    preview(desk, severity="HIGH", title="x")
    assert desk.rows("select from incidents") == []
    assert desk.rows("select from audit_log where action like 'incident%%'") == []


def test_a_viewer_asks_in_vain(desk: Desk) -> None:
    with pytest.raises(Refused) as refused:
        preview(desk, desk.vera)
    assert refused.value.code == "not_allowed"
