"""Workers on hold: what begins it, what is refused meanwhile, and what a person's release changes."""

import uuid
from typing import Any

import pytest

from tests.sql.desk import Desk, Refused

ACTED = [{"action_key": "restart_service", "outcome": "acted", "verified": True, "code": 200}]


def forgotten(execution: str, **more: Any) -> dict[str, Any]:
    return {
        "kestra_execution_id": execution,
        "kestra_instance": "kestra-1",
        "state": "SUCCESS",
        "started_at": "2026-11-24T05:00:00Z",
        "external_id": "INC-1",
        "service": "payment-api",
        "severity": "LOW",
        "title": "High error rate",
        "actions": ACTED,
    } | more


def begin(desk: Desk, *found: dict[str, Any]) -> Any:
    return desk.by_flow("begin_hold", worker="worker-1", forgotten=list(found))


def take(desk: Desk) -> list[Any]:
    taken = desk.as_role(
        "service_role", {"role": "service_role"}, "select public.take_outbox('w') as row", []
    )
    return [each["row"] for each in taken]


def release(desk: Desk, reason: str = "Looked at each") -> Any:
    return desk.by(desk.ada, "release_hold", reason=reason)


def alarms(desk: Desk) -> list[str]:
    return [row["kind"] for row in desk.rows("select kind from alarms where cleared_at is null")]


def test_while_it_stands_no_worker_takes_anything_and_the_overview_says_so(desk: Desk) -> None:
    desk.submit()
    hold = begin(desk, forgotten("gone-1"))
    assert (hold["runs"], hold["acted"], hold["begun_by"]) == (1, 1, "worker-1")
    assert take(desk) == []
    assert alarms(desk) == ["on_hold"]
    release(desk)
    assert len(take(desk)) == 1
    assert alarms(desk) == []
    assert desk.by_flow("current_hold") is None


def test_no_action_begins_whoever_asks(desk: Desk) -> None:
    execution, approval = desk.waiting()
    desk.decide(desk.ana, approval)
    begin(desk, forgotten("gone-1"))
    with pytest.raises(Refused) as refused:
        desk.begin(execution)
    assert (refused.value.sqlstate, refused.value.code) == ("PT409", "on_hold")
    release(desk)
    assert desk.begin(execution)["allowed"] is True


def test_nothing_expires_meanwhile(desk: Desk) -> None:
    _, approval = desk.waiting()
    desk.configure("approvals", str(approval["id"]), deadline_at="2026-11-01T00:00:00Z")
    begin(desk, forgotten("gone-1"))
    assert desk.by_flow("expire_approvals") == {"expired": 0}
    release(desk)
    assert desk.by_flow("expire_approvals") == {"expired": 1}


def test_a_start_that_was_made_in_the_lost_time_is_withdrawn_and_the_incident_says_what_happened(
    desk: Desk,
) -> None:
    lost, fresh = desk.submit(severity="LOW"), desk.submit()
    begin(desk, forgotten("gone-1", run_id=lost["run_id"]))
    assert release(desk) == {"withdrawn_starts": 1, "cancelled_approvals": 0}
    assert [row["id"] for row in take(desk)] == [fresh["run_id"]]
    incident = desk.row("select * from incidents where id = %s", lost["incident_id"])
    assert incident["needs_human"] is True
    assert "gone-1" in incident["needs_human_reason"]
    assert "restart_service (acted)" in incident["needs_human_reason"]
    # The same start, should it still reach Kestra by another way, is refused its claim.
    claim = desk.by_flow("open_run", payload={"run_id": lost["run_id"]}, kestra_execution_id="late")
    assert (claim["proceed"], claim["reason"]) == (False, "This start was withdrawn.")


def test_an_approval_that_was_acted_on_in_the_lost_time_is_cancelled_and_one_that_still_waits_is_not(
    desk: Desk,
) -> None:
    acted, first = desk.waiting()
    _, second = desk.waiting()
    begin(desk, forgotten(acted))
    known = desk.row("select known from forgotten_runs where kestra_execution_id = %s", acted)
    assert known["known"] is True
    assert release(desk)["cancelled_approvals"] == 1
    status = {str(row["id"]): row["status"] for row in desk.rows("select id, status from approvals")}
    assert (status[str(first["id"])], status[str(second["id"])]) == ("cancelled", "pending")
    desk.decide(desk.ana, second)


def test_a_run_by_webhook_of_an_incident_that_is_known_is_told_at_that_incident(desk: Desk) -> None:
    submitted = desk.submit(id="INC-77")
    begin(desk, forgotten("gone-1", external_id="INC-77"), forgotten("gone-2", external_id="INC-78"))
    assert release(desk) == {"withdrawn_starts": 0, "cancelled_approvals": 0}
    incident = desk.row("select * from incidents where id = %s", submitted["incident_id"])
    assert incident["needs_human"] is True
    assert "gone-1" in incident["needs_human_reason"]


def test_what_people_were_told_of_once_begins_no_second_hold(desk: Desk) -> None:
    acted, _ = desk.waiting()

    def still(function: str) -> list[str]:
        query = f"select public.{function}(%s) as id"
        found = desk.as_role("service_role", {"role": "service_role"}, query, [["gone-1", acted]])
        return [row["id"] for row in found]

    assert (still("forgotten_executions"), still("without_actions")) == (["gone-1"], [acted])
    begin(desk, forgotten("gone-1"), forgotten(acted))
    release(desk)
    assert (still("forgotten_executions"), still("without_actions")) == ([], [])


def test_only_an_admin_releases_with_a_reason_once_and_it_is_audited(desk: Desk) -> None:
    begin(desk, forgotten("gone-1"))
    for person in (desk.vera, desk.rita, desk.ana):
        with pytest.raises(Refused) as refused:
            desk.by(person, "release_hold", reason="I want to")
        assert refused.value.sqlstate == "PT403"
    with pytest.raises(Refused) as refused:
        release(desk, "  ")
    assert refused.value.code == "reason_required"
    release(desk, "All of it was the dump of yesterday")
    with pytest.raises(Refused) as refused:
        release(desk)
    assert refused.value.code == "not_on_hold"
    entry = desk.row("select * from audit_log where action = 'workers.released'")
    assert (entry["actor_name"], entry["detail"]["reason"]) == ("Ada", "All of it was the dump of yesterday")


def test_a_person_can_begin_one_before_anything_is_found(desk: Desk) -> None:
    desk.submit()
    held = desk.by(desk.ada, "hold_workers", reason="Restoring the dump of 03:00")
    assert (held["begun_by"], held["runs"]) == ("Ada", 0)
    assert take(desk) == []
    with pytest.raises(Refused) as refused:
        desk.by(desk.ada, "hold_workers", reason="Again")
    assert refused.value.code == "on_hold"
    # What a worker finds meanwhile is listed under the same hold.
    assert begin(desk, forgotten("gone-1"))["id"] == held["id"]


class TestSeveralOrganizations:
    @pytest.fixture
    def other(self, desk: Desk) -> Desk:
        desk.configure("organizations", desk.organization, is_default=True)
        return Desk(desk.url, "other")

    def test_each_sees_its_own_forgotten_runs(self, desk: Desk, other: Desk) -> None:
        lost = other.submit()
        begin(
            desk,
            forgotten("by-start", run_id=lost["run_id"]),
            forgotten("by-name", organization_id=other.organization),
            forgotten("by-nobody", organization_id=str(uuid.uuid4())),
        )

        def seen(of: Desk) -> list[str]:
            claims = {"sub": of.ada.id, "role": "authenticated"}
            query = "select kestra_execution_id as id from forgotten_runs order by 1"
            return [row["id"] for row in of.as_role("authenticated", claims, query, [])]

        assert seen(other) == ["by-name", "by-start"]
        assert seen(desk) == ["by-nobody"]

    def test_the_default_ones_admin_releases_for_all(self, desk: Desk, other: Desk) -> None:
        begin(desk, forgotten("gone-1"))
        with pytest.raises(Refused) as refused:
            release(other)
        assert refused.value.sqlstate == "PT403"
        assert release(desk) == {"withdrawn_starts": 0, "cancelled_approvals": 0}


def test_what_is_found_is_text_however_it_looks(desk: Desk) -> None:
    hostile = "'); drop table holds; -- \u202e <img src=x> " + "x" * 900
    begin(desk, forgotten("gone-1", title=hostile, run_id=hostile, organization_id=hostile, actions="all"))
    row = desk.row("select * from forgotten_runs")
    assert row["title"] == hostile[:500]
    assert (row["run_id"], row["actions"]) == (None, [])
