"""What overview, lists, decision page and System read: who needs whom, and whether all is well."""

from typing import Any

import psycopg
import pytest

from tests.sql.desk import Desk, Refused
from tests.sql.story import carry_out


def titles(rows: list[dict[str, Any]]) -> list[str]:
    return [row["title"] for row in rows]


class TestOverview:
    def test_an_organization_at_rest_needs_nobody(self, desk: Desk) -> None:
        seen = desk.by(desk.vera, "overview")
        for part in ("waiting", "attention", "stuck", "running", "starting"):
            assert seen[part] == []
        assert seen["last_decision"] is None
        assert seen["standing"]["live"] == 0

    def test_a_run_goes_from_starting_to_running_to_waiting(self, desk: Desk) -> None:
        submitted = desk.submit(title="Pool exhausted")
        assert titles(desk.by(desk.rita, "overview")["starting"]) == ["Pool exhausted"]
        execution = desk.claim(submitted)
        seen = desk.by(desk.rita, "overview")
        assert (seen["starting"], titles(seen["running"])) == ([], ["Pool exhausted"])
        proposal = desk.analysed(execution)["analysis"]["proposed_actions"]
        desk.by_flow("request_approval", kestra_execution_id=execution, proposal=proposal)
        seen = desk.by(desk.ana, "overview")
        assert [row["may_decide"] for row in seen["waiting"]] == [True]
        assert seen["running"][0]["state"] == "PAUSED"
        assert [row["may_decide"] for row in desk.by(desk.rita, "overview")["waiting"]] == [False]

    def test_what_was_escalated_needs_somebody_until_it_is_taken(self, desk: Desk) -> None:
        execution = desk.claim(desk.submit(severity="HIGH", title="Checkout fails"))
        desk.by_flow("escalate", kestra_execution_id=execution, reason="It is HIGH.")
        [seen] = desk.by(desk.ana, "overview")["attention"]
        assert (seen["title"], seen["told_nobody"], seen["holder"]) == ("Checkout fails", True, None)
        incident = desk.row("select id, version from incidents")
        desk.by(
            desk.ana,
            "update_incident",
            incident_id=incident["id"],
            kind="acknowledge",
            version=incident["version"],
        )
        [mine] = desk.by(desk.ana, "overview")["attention"]
        [theirs] = desk.by(desk.ben, "overview")["attention"]
        assert (mine["holder"], mine["is_mine"], theirs["is_mine"]) == ("Ana", True, False)
        assert mine["escalated_at"] is None

    def test_a_failed_run_needs_somebody_with_the_step_it_failed_at(self, desk: Desk) -> None:
        execution = desk.claim(desk.submit(title="Pool exhausted"))
        desk.by_flow("finish_run", kestra_execution_id=execution, state="FAILED", seen=4)
        [seen] = desk.by(desk.vera, "overview")["attention"]
        assert seen["failed_at"] is not None
        desk.rows("update incidents set status = 'resolved', needs_human = false returning 1")
        assert desk.by(desk.vera, "overview")["attention"] == []

    def test_the_gravest_stands_first(self, desk: Desk) -> None:
        for severity in ("LOW", "CRITICAL", "HIGH"):
            desk.submit(severity=severity, title=severity)
        desk.rows("update incidents set needs_human = true returning 1")
        assert titles(desk.by(desk.ana, "overview")["attention"]) == ["CRITICAL", "HIGH", "LOW"]

    def test_a_stuck_delivery_says_what_it_is_about(self, desk: Desk) -> None:
        desk.submit(title="Pool exhausted")
        desk.rows(
            "update outbox set stuck_since = now(), last_error = 'Kestra cannot be reached.' returning 1"
        )
        [stuck] = desk.by(desk.ana, "overview")["stuck"]
        assert (stuck["kind"], stuck["title"]) == ("start_run", "Pool exhausted")
        assert stuck["last_error"] == "Kestra cannot be reached."

    def test_the_last_decision_is_named(self, desk: Desk) -> None:
        _, approval = desk.waiting()
        desk.decide(desk.ana, approval)
        last = desk.by(desk.vera, "overview")["last_decision"]
        assert (last["id"], last["by"], last["status"]) == (str(approval["id"]), "Ana", "approved")

    def test_another_organization_sees_none_of_it(self, desk: Desk) -> None:
        desk.waiting()
        desk.rows("update incidents set needs_human = true returning 1")
        other = Desk(desk.url, "globex")
        seen = other.by(other.ada, "overview")
        assert not any(seen[part] for part in ("waiting", "attention", "stuck", "running", "starting"))
        assert other.by(other.ada, "list_incidents")["incidents"] == []
        assert other.by(other.ada, "overview_trend")["reported"] == []


class TestTrend:
    def test_today_is_told_from_the_week_before_and_from_older(self, desk: Desk) -> None:
        for hours in (1, 23, 25, 30, 8 * 24 + 1):
            submitted = desk.submit(severity="HIGH", file_separately=True)
            desk.rows(
                "update incidents set created_at = now() - make_interval(hours => %s)"
                " where id = %s returning 1",
                hours,
                submitted["incident_id"],
            )
        reported = desk.by(desk.vera, "overview_trend")["reported"]
        assert {(row["day"], row["count"]) for row in reported} == {(7, 2), (6, 2)}

    def test_paces_are_medians_of_what_ended(self, desk: Desk) -> None:
        for minutes, ended_hours_ago in ((10, 1), (20, 2), (60, 3), (100, 30)):
            incident = desk.submit(file_separately=True)["incident_id"]
            desk.rows("update incidents set status = 'resolved' where id = %s returning 1", incident)
            desk.rows(
                "update incidents set resolved_at = now() - make_interval(hours => %s),"
                " created_at = now() - make_interval(hours => %s, mins => %s) where id = %s returning 1",
                ended_hours_ago,
                ended_hours_ago,
                minutes,
                incident,
            )
        pace = desk.by(desk.vera, "overview_trend")["resolved"]
        assert (pace["today"], pace["today_count"]) == (1200, 3)
        assert (pace["before"], pace["before_count"]) == (6000, 1)
        assert pace["days"] == [None, None, None, None, None, None, 6000, 1200]

    def test_nothing_ended_is_null_and_not_nought(self, desk: Desk) -> None:
        pace = desk.by(desk.vera, "overview_trend")["approved"]
        assert (pace["today"], pace["before"], pace["today_count"]) == (None, None, 0)


class TestIncidents:
    def test_each_row_says_for_whom_it_waits(self, desk: Desk) -> None:
        desk.waiting(title="Needs a decision")
        desk.submit(title="Needs a person")
        desk.rows("update incidents set needs_human = true where title = 'Needs a person' returning 1")
        desk.submit(title="Needs nobody")
        seen = {row["title"]: row for row in desk.by(desk.ana, "list_incidents")["incidents"]}
        assert seen["Needs a decision"]["waits_for"]["you"] is True
        assert seen["Needs a decision"]["waits_for"]["who"] == "approver or more"
        assert seen["Needs a decision"]["state"] == "PAUSED"
        assert seen["Needs a person"]["waits_for"] == {"what": "person", "you": False, "who": None}
        assert seen["Needs nobody"]["waits_for"] is None
        assert seen["Needs nobody"]["starting_since"] is not None
        by_rita = {row["title"]: row for row in desk.by(desk.rita, "list_incidents")["incidents"]}
        assert by_rita["Needs a decision"]["waits_for"]["you"] is False

    def test_named_approvers_are_named(self, desk: Desk) -> None:
        desk.configure("services", desk.service, approver_ids=[desk.ben.id, desk.ada.id])
        desk.waiting()
        [row] = desk.by(desk.ana, "list_incidents")["incidents"]
        assert (row["waits_for"]["who"], row["waits_for"]["you"]) == ("Ada or Ben", False)

    def test_mine_is_what_i_reported_took_or_was_given(self, desk: Desk) -> None:
        desk.submit(desk.rita, title="reported")
        desk.submit(desk.ben, title="given")
        desk.submit(desk.ben, title="taken")
        desk.submit(desk.ben, title="not mine")
        desk.rows("update incidents set assigned_to = %s where title = 'given' returning 1", desk.rita.id)
        desk.rows("update incidents set acknowledged_by = %s where title = 'taken' returning 1", desk.rita.id)
        seen = desk.by(desk.rita, "list_incidents", mine=True)
        assert titles(seen["incidents"]) == ["taken", "given", "reported"]
        assert seen["count"] == 3

    def test_filters_count_what_they_leave(self, desk: Desk) -> None:
        for title, severity in (("Pool a", "LOW"), ("Pool b", "HIGH"), ("Pool c", "HIGH")):
            desk.submit(title=title, severity=severity)
        desk.rows("update incidents set status = 'resolved' where title = 'Pool c' returning 1")
        live = desk.by(desk.vera, "list_incidents", statuses="{open}", take=1)
        assert (live["count"], len(live["incidents"]), live["are_more"]) == (2, 1, False)
        assert live["standing"] == {
            "live": 2,
            "needing_people": 0,
            "awaiting_approval": 0,
            "critical": 0,
            "high": 1,
        }
        assert desk.by(desk.vera, "list_incidents", severities="{LOW}", search="pool")["count"] == 1
        assert desk.by(desk.vera, "list_incidents", since="2999-01-01")["count"] == 0


class TestApprovals:
    def test_the_settled_are_listed_without_their_text(self, desk: Desk) -> None:
        _, approval = desk.waiting(title="Pool exhausted")
        desk.decide(desk.ana, approval, "rejected")
        claims = {"sub": desk.vera.id, "role": "authenticated"}
        query = "select public.list_approvals(statuses => %s) as row"
        [row] = [
            found["row"] for found in desk.as_role("authenticated", claims, query, [["approved", "rejected"]])
        ]
        assert (row["title"], row["decided_by_name"], row["status"]) == ("Pool exhausted", "Ana", "rejected")
        assert row["summary"].startswith("Restart on payment-api")
        assert "proposal_text" not in row
        assert desk.as_role("authenticated", claims, query, [["expired"]]) == []

    def test_precedents_are_like_decisions_and_what_came_of_them(self, desk: Desk) -> None:
        execution, first = desk.waiting(title="Pool exhausted once")
        desk.decide(desk.ana, first)
        carry_out(desk, execution)
        _, second = desk.waiting(title="Pool exhausted again")
        desk.decide(desk.ben, second, "rejected", reason="not now")
        _, third = desk.waiting(title="Pool exhausted a third time")
        found = desk.by(desk.ana, "precedents", approval_id=third["id"])
        assert {name: found[name] for name in ("count", "approved", "rejected", "acted", "failed")} == {
            "count": 2,
            "approved": 1,
            "rejected": 1,
            "acted": 1,
            "failed": 0,
        }
        assert [row["decision_reason"] for row in found["decisions"]] == ["not now", "because"]
        assert found["decisions"][1]["incident_status"] == "resolved"
        assert desk.by(desk.ana, "precedents", approval_id=first["id"])["count"] == 0

    def test_precedents_of_another_organization_are_not_there(self, desk: Desk) -> None:
        _, approval = desk.waiting()
        other = Desk(desk.url, "globex")
        with pytest.raises(Refused) as refused:
            other.by(other.ada, "precedents", approval_id=approval["id"])
        assert refused.value.code == "not_found"


class TestSystem:
    def test_the_guards_stand_and_a_fallen_one_is_named(self, desk: Desk) -> None:
        rights = desk.by(desk.vera, "system_report")["rights"]
        assert rights["unguarded"] == rights["open_to_anybody"] == rights["written_past_functions"] == []
        with psycopg.connect(desk.url) as owner:
            owner.execute("create table public.forgotten (id int)")
            owner.execute("grant insert on public.forgotten to anon, authenticated")
        rights = desk.by(desk.vera, "system_report")["rights"]
        for part in ("unguarded", "open_to_anybody", "written_past_functions"):
            assert rights[part] == ["forgotten"]

    def test_a_worker_that_beats_is_seen_with_its_trouble(self, desk: Desk) -> None:
        beat = {"worker": "w-1", "started_at": "2026-11-24T10:00:00Z", "version": "1"}
        desk.by_flow("beat", **beat, trouble="Kestra: password=hunter2 refused")
        [worker] = desk.by(desk.vera, "system_report")["workers"]
        assert worker["name"] == "w-1"
        assert "hunter2" not in worker["trouble"]
        desk.by_flow("beat", **beat)
        [worker] = desk.by(desk.vera, "system_report")["workers"]
        assert worker["trouble"] is None

    def test_a_worker_of_the_day_before_is_forgotten(self, desk: Desk) -> None:
        desk.by_flow("beat", worker="old", started_at="2026-11-24T10:00:00Z")
        desk.rows("update private.workers set beat_at = now() - interval '25 hours' returning 1")
        desk.by_flow("beat", worker="new", started_at="2026-11-24T10:00:00Z")
        assert [worker["name"] for worker in desk.by(desk.vera, "system_report")["workers"]] == ["new"]

    def test_what_is_owed_and_since_when(self, desk: Desk) -> None:
        desk.submit()
        desk.submit()
        desk.rows(
            "update outbox set stuck_since = now(), last_error = 'refused'"
            " where id = (select id from outbox limit 1) returning 1"
        )
        outbox = desk.by(desk.vera, "system_report")["outbox"]
        assert (outbox["owed"], outbox["stuck"], outbox["last_error"]) == (2, 1, "refused")
        assert outbox["oldest_at"] is not None
        other = Desk(desk.url, "globex")
        assert other.by(other.ada, "system_report")["outbox"]["owed"] == 0
