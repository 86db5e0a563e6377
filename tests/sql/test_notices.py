"""Word out: what is told, to whom, by which channel, and when somebody is reminded."""

from typing import Any

import pytest

from tests.sql.desk import Desk, Refused
from tests.sql.test_second_thoughts import edit

ALL = (
    "waiting",
    "reminded",
    "second_line",
    "decided",
    "expired",
    "escalated",
    "run_failed",
    "delivery_stuck",
)
SECRET = "sk-live-0123456789abcdef"


def want(desk: Desk, *rules: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = desk.by(desk.ada, "apply_notices", payload=list(rules))
    return answer


def everything_to_slack(desk: Desk) -> None:
    want(desk, *({"event": event, "channel": "slack"} for event in (*ALL, "nobody_can_decide")))


def notices(desk: Desk) -> list[dict[str, Any]]:
    rows = desk.rows("select payload from outbox where kind = 'notice' order by created_at, id")
    return [row["payload"] for row in rows]


def events(desk: Desk) -> list[str]:
    return [notice["event"] for notice in notices(desk)]


def wind(desk: Desk, approval: dict[str, Any], part: float) -> None:
    """Puts an approval at a part of its time to decide."""
    with desk._owner() as owner:
        owner.execute(
            "update approvals set created_at = created_at - (deadline_at - created_at) * %s,"
            " deadline_at = deadline_at - (deadline_at - created_at) * %s where id = %s",
            [part, part, approval["id"]],
        )


def test_without_a_rule_nothing_is_owed_and_an_escalation_says_that_nobody_was_told(desk: Desk) -> None:
    execution = desk.claim(desk.submit(severity="HIGH"))
    assert desk.by_flow("escalate", kestra_execution_id=execution)["told"] is False
    assert notices(desk) == []


def test_a_waiting_approval_goes_to_whoever_may_decide_and_to_nobody_else(desk: Desk) -> None:
    want(desk, {"event": "waiting", "channel": "email", "to": ["deciders", "oncall@example.com"]})
    desk.waiting(desk.ana)
    (notice,) = notices(desk)
    assert notice["to"] == ["Ada@example.com", "Ben@example.com", "oncall@example.com"]
    assert notice["statement"] == "Restart on payment-api (instances: 2)."


def test_escalated_decided_and_failed_are_told(desk: Desk) -> None:
    everything_to_slack(desk)
    execution = desk.claim(desk.submit(severity="HIGH"))
    assert desk.by_flow("escalate", kestra_execution_id=execution)["told"] is True
    _, approval = desk.waiting()
    desk.decide(desk.ana, approval, "rejected")
    desk.by_flow("finish_run", kestra_execution_id=execution, state="FAILED", detail={"errors": ["boom"]})
    assert events(desk) == ["escalated", "waiting", "decided", "run_failed"]
    assert notices(desk)[2]["facts"] == {"by": "Ana", "decision": "rejected", "reason": "because"}
    assert desk.row("select told from escalations")["told"] == ["slack"]


def test_nobody_able_to_decide_is_told(desk: Desk) -> None:
    everything_to_slack(desk)
    for person in (desk.ana, desk.ben, desk.ada):
        desk.configure("profiles", person.id, active=False)
    desk.waiting()
    assert events(desk) == ["waiting", "nobody_can_decide"]


def test_what_does_not_reach_kestra_is_told_once(desk: Desk) -> None:
    everything_to_slack(desk)
    desk.submit()
    with desk._owner() as owner:
        owner.execute("update outbox set created_at = now() - interval '3 minutes' where kind = 'start_run'")
    for _ in range(2):
        with desk._owner() as owner:
            owner.execute("update outbox set next_attempt_at = now() where kind = 'start_run'")
        owed = desk.by_flow("take_outbox", worker="w", kinds="{start_run}")
        desk.by_flow(
            "settle_outbox",
            id=owed["id"],
            lease_token=owed["lease_token"],
            outcome="retry",
            detail={"error": "Kestra cannot be reached."},
        )
    assert events(desk) == ["delivery_stuck"]


def test_no_secret_leaves_by_a_notice(desk: Desk) -> None:
    everything_to_slack(desk)
    _, approval = desk.waiting(title=f"Errors with token={SECRET}")
    desk.decide(desk.ana, approval, reason=f"password: {SECRET}")
    assert SECRET not in str(notices(desk))
    assert len(notices(desk)) == 2


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (0.49, []),
        (0.51, ["reminded"]),
        (0.76, ["second_line"]),
    ],
)
def test_a_reminder_at_half_time_and_the_second_line_at_three_quarters(
    desk: Desk, part: float, expected: list[str]
) -> None:
    everything_to_slack(desk)
    _, approval = desk.waiting()
    wind(desk, approval, part)
    for _ in range(3):
        desk.by_flow("remind_approvals")
    assert events(desk) == ["waiting", *expected]


def test_first_the_reminder_then_the_second_line(desk: Desk) -> None:
    everything_to_slack(desk)
    _, approval = desk.waiting()
    wind(desk, approval, 0.6)
    assert desk.by_flow("remind_approvals") == {"reminded": 1, "second_line": 0}
    wind(desk, approval, 0.2)
    assert desk.by_flow("remind_approvals") == {"reminded": 0, "second_line": 1}
    assert events(desk) == ["waiting", "reminded", "second_line"]


def test_who_was_told_nothing_is_in_the_incidents_story_too(desk: Desk) -> None:
    _, approval = desk.waiting()
    wind(desk, approval, 0.8)
    desk.by_flow("remind_approvals")
    event = desk.row("select detail from incident_events where kind = 'second_line_told'")
    assert event["detail"]["told"] == []


def test_what_is_decided_or_over_is_not_reminded_of(desk: Desk) -> None:
    everything_to_slack(desk)
    _, approval = desk.waiting()
    desk.decide(desk.ana, approval)
    _, late = desk.waiting()
    wind(desk, approval, 0.8)
    wind(desk, late, 1.1)
    desk.by_flow("remind_approvals")
    desk.by_flow("expire_approvals")
    assert events(desk) == ["waiting", "decided", "waiting", "expired"]


def test_an_edited_proposal_waits_anew_and_is_told_to_who_may_decide_now(desk: Desk) -> None:
    want(desk, {"event": "waiting", "channel": "email", "to": ["deciders"]})
    _, old = desk.waiting()
    edit(desk, desk.ana, old)
    assert [notice["to"] for notice in notices(desk)] == [
        ["Ada@example.com", "Ana@example.com", "Ben@example.com"],
        ["Ada@example.com", "Ben@example.com"],
    ]


def test_only_admins_change_the_rules_and_the_whole_list_counts(desk: Desk) -> None:
    with pytest.raises(Refused) as refused:
        desk.by(desk.ana, "apply_notices", payload=[])
    assert refused.value.sqlstate == "PT403"
    everything_to_slack(desk)
    assert want(desk, {"event": "waiting", "channel": "teams"}) == {"rules": 1, "changed": True}
    assert want(desk, {"event": "waiting", "channel": "teams"}) == {"rules": 1, "changed": False}
    changes = desk.row("select count(*) as n from audit_log where action = 'organization.notices_changed'")
    assert changes["n"] == 2


@pytest.mark.parametrize(
    "rule",
    [
        {"event": "waiting", "channel": "pigeon"},
        {"event": "lunch", "channel": "slack"},
        {"event": "waiting", "channel": "email"},
        {"event": "waiting", "channel": "slack", "to": ["deciders"]},
        {"event": "waiting", "channel": "email", "to": ["everybody"]},
        {"event": "waiting", "channel": "email", "to": ["a@b.example\nBcc: x@evil.example"]},
        {"event": "waiting", "channel": "slack", "url": "http://evil.example"},
        "waiting",
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_by_name(desk: Desk, rule: Any) -> None:
    with pytest.raises(Refused) as refused:
        want(desk, rule)
    assert refused.value.sqlstate == "PT422"
    assert desk.rows("select * from notice_rules") == []
