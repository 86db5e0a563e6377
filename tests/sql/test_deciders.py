"""Whether anybody may decide is said at once, also when people and rules change while a proposal waits."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from dashboard.domain.history import _WORDS
from tests.sql.desk import Desk
from tests.support.until import until

NOBODY = "Approval is needed and no active person may decide"


@pytest.fixture
def one_may_decide(desk: Desk) -> Desk:
    """Ana alone may decide on what waits."""
    for person in (desk.ben, desk.ada):
        desk.configure("profiles", person.id, role="responder")
    desk.waiting()
    return desk


def said(desk: Desk) -> dict[str, Any]:
    return desk.row("select status, needs_human, needs_human_reason as why from incidents")


def kinds(desk: Desk) -> list[str]:
    rows = desk.rows("select kind from incident_events where kind like '%%body_can_decide' order by id")
    return [str(row["kind"]) for row in rows]


@pytest.mark.parametrize("change", [{"active": False}, {"role": "responder"}])
def test_the_last_one_is_switched_off_or_demoted(one_may_decide: Desk, change: dict[str, Any]) -> None:
    desk = one_may_decide
    assert not said(desk)["needs_human"]
    desk.configure("profiles", desk.ana.id, **change)
    incident = said(desk)
    assert (incident["status"], incident["needs_human"]) == ("awaiting_approval", True)
    assert incident["why"].startswith(NOBODY)
    [shown] = desk.by(desk.vera, "overview")["attention"]
    assert shown["reason"].startswith(NOBODY)
    assert kinds(desk) == ["nobody_can_decide"]


def test_by_the_admins_own_function_and_back(desk: Desk) -> None:
    desk.configure("services", desk.service, approver_ids=[desk.ana.id])
    desk.waiting()
    desk.by(desk.ada, "change_person", user_id=desk.ana.id, active=False)
    assert said(desk)["why"].startswith(NOBODY)
    desk.by(desk.ada, "change_person", user_id=desk.ana.id, active=True)
    assert (said(desk)["needs_human"], said(desk)["why"]) == (False, None)
    assert desk.row("select lacks_deciders from approvals")["lacks_deciders"] is None
    assert kinds(desk) == ["nobody_can_decide", "somebody_can_decide"]


def test_a_new_approver_ends_it(one_may_decide: Desk) -> None:
    desk = one_may_decide
    desk.configure("profiles", desk.ana.id, active=False)
    desk.person("Nia", "approver")
    assert not said(desk)["needs_human"]


def test_a_rule_that_names_only_people_who_may_not_is_said_too(desk: Desk) -> None:
    desk.waiting(desk.ana)
    desk.configure("services", desk.service, approver_ids=[desk.ana.id])
    assert said(desk)["why"].startswith(NOBODY)


def test_fewer_than_have_to_is_as_bad_as_nobody(desk: Desk) -> None:
    desk.configure("services", desk.service, approvals_required=3)
    desk.waiting()
    assert not said(desk)["needs_human"]
    desk.configure("profiles", desk.ben.id, active=False)
    assert said(desk)["why"].startswith("Approval by 3 people is needed and only Ada, Ana may decide")


def test_who_voted_and_was_switched_off_is_missed(desk: Desk) -> None:
    desk.configure("services", desk.service, approvals_required=3)
    _, approval = desk.waiting()
    desk.decide(desk.ana, approval)
    desk.configure("profiles", desk.ana.id, active=False)
    assert said(desk)["why"].startswith("Approval by 3 people is needed and only Ada, Ben may decide")


def test_another_reason_to_look_is_not_taken_away(one_may_decide: Desk) -> None:
    desk = one_may_decide
    desk.configure("profiles", desk.ana.id, active=False)
    desk.rows("update incidents set needs_human_reason = 'Something else.' returning 1")
    desk.configure("profiles", desk.ana.id, active=True)
    assert said(desk)["why"] == "Something else."


def test_they_are_told_by_notice(one_may_decide: Desk) -> None:
    desk = one_may_decide
    desk.rows(
        "insert into notice_rules (organization_id, event, channel)"
        " values (%s, 'nobody_can_decide', 'slack') returning 1",
        desk.organization,
    )
    desk.configure("profiles", desk.ana.id, active=False)
    desk.configure("profiles", desk.ana.id, role="viewer")
    owed = desk.rows("select payload ->> 'event' as event from outbox where kind = 'notice'")
    assert [row["event"] for row in owed] == ["nobody_can_decide"], "told once for as long as it lasts"


def test_what_was_decided_is_nobodys_business(one_may_decide: Desk) -> None:
    desk = one_may_decide
    desk.decide(desk.ana, desk.row("select * from approvals"))
    desk.configure("profiles", desk.ana.id, active=False)
    assert not said(desk)["needs_human"]


def test_asking_and_switching_off_at_one_moment_do_not_miss_each_other(desk: Desk) -> None:
    for person in (desk.ben, desk.ada):
        desk.configure("profiles", person.id, role="responder")
    execution = desk.claim(desk.submit())
    desk.configure("profiles", desk.ada.id, role="admin")
    desk.configure("services", desk.service, approver_ids=[desk.ana.id])
    with psycopg.connect(desk.url) as admin, ThreadPoolExecutor(1) as pool:
        admin.execute("select set_config('request.jwt.claims', %s, true)", [f'{{"sub": "{desk.ada.id}"}}'])
        admin.execute("select public.change_person(%s, null, false)", [desk.ana.id])
        asking = pool.submit(desk.by_flow, "request_approval", kestra_execution_id=execution)
        waits = "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        until(lambda: desk.rows(waits), "the flow waits for the admin", every=0.01)
        admin.commit()
        asking.result(10)
    assert said(desk)["why"].startswith(NOBODY)


def test_what_was_resolved_before_it_was_asked_about_stays_resolved(desk: Desk) -> None:
    made = desk.submit()
    execution = desk.claim(made)
    version = desk.row("select version from incidents")["version"]
    desk.by(desk.rita, "update_incident", incident_id=made["incident_id"], kind="resolve", version=version)
    asked = desk.by_flow("request_approval", kestra_execution_id=execution)
    assert asked["status"] == "cancelled"
    assert said(desk)["status"] == "resolved"
    cause = desk.row("select cause from approvals")["cause"]
    assert cause == "The incident was resolved before a decision was asked for."


def test_what_happened_is_told_in_words(one_may_decide: Desk) -> None:
    desk = one_may_decide
    desk.configure("profiles", desk.ana.id, active=False)
    desk.configure("profiles", desk.ana.id, active=True)
    kinds_written = {str(row["kind"]) for row in desk.rows("select distinct kind from incident_events")} | {
        "proposal_edited",
        "decision_withdrawn",
        "reminded",
        "second_line_told",
    }
    unknown = kinds_written - set(_WORDS)
    assert unknown == set()
