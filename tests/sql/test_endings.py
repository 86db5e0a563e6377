"""Ends that the flow could not report: what the worker finds and what a person may declare."""

import json
from typing import Any

import pytest

from tests.sql.desk import Desk, Refused

OURS, OTHER = "kestra-ours", "kestra-other"


def running(desk: Desk, instance: str | None = OURS, **payload: Any) -> str:
    """A claimed execution, seen at an instance."""
    execution = desk.claim(desk.submit(**payload))
    if instance is not None:
        desk.by_flow("note_execution", kestra_execution_id=execution, kestra_instance=instance, seen=2)
    return execution


def missing(desk: Desk, execution: str, instance: str = OURS) -> dict[str, Any]:
    answer: dict[str, Any] = desk.by_flow(
        "note_missing", kestra_execution_id=execution, kestra_instance=instance
    )
    return answer


def later(desk: Desk, seconds: int) -> None:
    """Moves everything that was looked at into the past."""
    desk.rows(
        "update private.execution_checks set checked_at = checked_at - make_interval(secs => %s),"
        " missing_at = missing_at - make_interval(secs => %s),"
        " missing_since = missing_since - make_interval(secs => %s) returning 1",
        *[seconds] * 3,
    )
    desk.rows(
        "update kestra_instances set seen_at = seen_at - make_interval(secs => %s),"
        " first_seen_at = first_seen_at - make_interval(secs => %s) returning 1",
        *[seconds] * 2,
    )


def state(desk: Desk, execution: str) -> str:
    return str(desk.row("select state from executions where kestra_execution_id = %s", execution)["state"])


def alarms(desk: Desk) -> list[tuple[str, str]]:
    found = desk.rows("select kind, subject from alarms where cleared_at is null order by kind, subject")
    return [(row["kind"], row["subject"]) for row in found]


def incident(desk: Desk, execution: str) -> dict[str, Any]:
    return desk.row(
        "select i.* from incidents i join executions e on e.incident_id = i.id"
        " where e.kestra_execution_id = %s",
        execution,
    )


class TestLost:
    def test_three_answers_over_a_minute_from_its_own_kestra_make_it_lost(self, desk: Desk) -> None:
        execution = running(desk)
        for times in (1, 2, 3):
            assert missing(desk, execution) == {"times": times, "lost": False}
            later(desk, 20)
        assert missing(desk, execution)["lost"] is True
        assert state(desk, execution) == "LOST"
        assert "no longer knows it" in incident(desk, execution)["needs_human_reason"]

    def test_answers_in_a_row_count_as_one(self, desk: Desk) -> None:
        execution = running(desk)
        assert [missing(desk, execution)["times"] for _ in range(5)] == [1] * 5
        later(desk, 61)
        assert missing(desk, execution) == {"times": 2, "lost": False}

    def test_another_kestra_may_say_it_for_ever(self, desk: Desk) -> None:
        execution = running(desk)
        for _ in range(5):
            assert missing(desk, execution, OTHER) == {"times": 0, "lost": False}
            later(desk, 60)
        assert state(desk, execution) == "RUNNING"

    def test_one_that_was_never_seen_is_not_lost_either(self, desk: Desk) -> None:
        execution = running(desk, None)
        for _ in range(5):
            assert missing(desk, execution)["lost"] is False
            later(desk, 60)
        assert state(desk, execution) == "RUNNING"
        desk.by_flow("note_kestra", kestra_instance=OURS)
        assert alarms(desk) == [("kestra_unknown_runs", "")]

    def test_one_that_turns_up_again_begins_anew(self, desk: Desk) -> None:
        execution = running(desk)
        for _ in range(3):
            missing(desk, execution)
            later(desk, 25)
        desk.by_flow("note_execution", kestra_execution_id=execution, kestra_instance=OURS, seen=2)
        assert missing(desk, execution) == {"times": 1, "lost": False}

    def test_it_takes_its_approval_and_what_was_owed_to_it_along(self, desk: Desk) -> None:
        execution, approval = desk.waiting()
        desk.by_flow("note_execution", kestra_execution_id=execution, kestra_instance=OURS, seen=3)
        desk.decide(desk.ana, approval)
        for _ in range(4):
            missing(desk, execution)
            later(desk, 25)
        kept = desk.row("select status, outcome from approvals where id = %s", approval["id"])
        assert kept == {"status": "approved", "outcome": "not_carried_out"}
        [owed] = desk.rows("select status, last_error from outbox where kind = 'deliver_decision'")
        assert owed["status"] == "withdrawn"
        assert "lost" in owed["last_error"]

    def test_nothing_begins_for_a_lost_run(self, desk: Desk) -> None:
        execution, approval = desk.waiting()
        desk.by_flow("note_execution", kestra_execution_id=execution, kestra_instance=OURS, seen=3)
        desk.decide(desk.ana, approval)
        for _ in range(4):
            missing(desk, execution)
            later(desk, 25)
        with pytest.raises(Refused) as refused:
            desk.begin(execution)
        assert refused.value.code == "not_owner"


class TestAnotherKestra:
    def test_one_alarm_says_so_and_nothing_is_cancelled(self, desk: Desk) -> None:
        desk.by_flow("note_kestra", kestra_instance=OURS)
        execution, approval = desk.waiting()
        desk.by_flow("note_execution", kestra_execution_id=execution, kestra_instance=OURS, seen=3)
        later(desk, 40)
        for _ in range(3):
            assert desk.by_flow("note_kestra", kestra_instance=OTHER)["missed"] == [OURS]
        assert alarms(desk) == [("kestra_other", OURS)]
        told = desk.row("select sentence, means, to_do from alarms")
        assert OTHER in told["sentence"]
        assert "Nothing of them is cancelled" in told["means"]
        assert desk.row("select status from approvals where id = %s", approval["id"])["status"] == "pending"
        desk.by_flow("note_kestra", kestra_instance=OURS)
        assert alarms(desk) == []

    def test_another_without_live_runs_is_no_alarm(self, desk: Desk) -> None:
        desk.by_flow("note_kestra", kestra_instance=OURS)
        later(desk, 40)
        desk.by_flow("note_kestra", kestra_instance=OTHER)
        assert alarms(desk) == []

    def test_two_that_answer_at_once_are_no_alarm(self, desk: Desk) -> None:
        running(desk)
        desk.by_flow("note_kestra", kestra_instance=OURS)
        assert desk.by_flow("note_kestra", kestra_instance=OTHER)["missed"] == []
        assert alarms(desk) == []

    def test_trouble_is_one_alarm_until_kestra_answers(self, desk: Desk) -> None:
        for _ in range(3):
            desk.by_flow("note_kestra_trouble", what="Kestra refuses the password Bearer abcdefghijkl.")
        assert alarms(desk) == [("kestra_unreachable", "")]
        assert "abcdefghijkl" not in desk.row("select sentence from alarms")["sentence"]
        desk.by_flow("note_kestra", kestra_instance=OURS)
        assert alarms(desk) == []

    def test_trouble_of_one_worker_is_none_while_another_reaches_it(self, desk: Desk) -> None:
        desk.by_flow("note_kestra", kestra_instance=OURS)
        desk.by_flow("note_kestra_trouble", what="no route")
        assert alarms(desk) == []


class TestDeclaredGone:
    def test_an_admin_ends_the_runs_of_a_kestra_that_is_gone(self, desk: Desk) -> None:
        desk.by_flow("note_kestra", kestra_instance=OURS)
        gone, alive = running(desk), running(desk, OTHER)
        later(desk, 90)
        desk.by_flow("note_kestra", kestra_instance=OTHER)
        answer = desk.by(desk.ada, "declare_kestra_gone", kestra_instance=OURS, reason="its disk was lost")
        assert answer == {"lost": 1}
        assert (state(desk, gone), state(desk, alive)) == ("LOST", "RUNNING")
        assert "Ada said" in incident(desk, gone)["needs_human_reason"]
        assert "its disk was lost" in incident(desk, gone)["needs_human_reason"]
        desk.by_flow("note_kestra", kestra_instance=OTHER)
        assert alarms(desk) == []

    def test_one_that_answers_is_not_gone(self, desk: Desk) -> None:
        running(desk)
        desk.by_flow("note_kestra", kestra_instance=OURS)
        with pytest.raises(Refused) as refused:
            desk.by(desk.ada, "declare_kestra_gone", kestra_instance=OURS, reason="I think so")
        assert refused.value.code == "alive"

    def test_runs_that_were_never_seen_end_when_the_unknown_kestra_is_declared_gone(self, desk: Desk) -> None:
        execution, fresh = running(desk, None), running(desk, None)
        for _ in range(3):
            missing(desk, execution)
            later(desk, 25)
        assert desk.by(desk.ada, "declare_kestra_gone", reason="wiped") == {"lost": 1}
        assert (state(desk, execution), state(desk, fresh)) == ("LOST", "RUNNING")

    @pytest.mark.parametrize("reason", ["", "  ", "x" * 1001])
    def test_it_needs_a_reason(self, desk: Desk, reason: str) -> None:
        with pytest.raises(Refused) as refused:
            desk.by(desk.ada, "declare_kestra_gone", kestra_instance=OURS, reason=reason)
        assert refused.value.code == "reason_required"

    def test_another_organizations_runs_stay(self, desk: Desk) -> None:
        execution = running(desk)
        other = Desk(desk.url, "globex")
        assert other.by(other.ada, "declare_kestra_gone", kestra_instance=OURS, reason="gone") == {"lost": 0}
        assert state(desk, execution) == "RUNNING"


class TestChecks:
    def test_those_looked_for_longest_ago_come_first_and_to_one_worker_only(self, desk: Desk) -> None:
        executions = [running(desk) for _ in range(3)]
        first = desk.rows("select take_checks(2, 5) as row")
        second = desk.rows("select take_checks(2, 5) as row")
        taken = [row["row"]["kestra_execution_id"] for row in first + second]
        assert sorted(taken) == sorted(executions)
        assert desk.rows("select take_checks(2, 5) as row") == []
        later(desk, 5)
        assert len(desk.rows("select take_checks(9, 5) as row")) == 3

    def test_many_are_all_taken_within_eight_rounds_and_at_most_two_hundred_in_one(self, desk: Desk) -> None:
        execution = running(desk)
        for live, a_round in ((400, 50), (2_000, 200)):
            desk.rows(
                "insert into executions (organization_id, incident_id, kestra_execution_id, owns, state)"
                " select organization_id, incident_id, 'many-' || n, false, 'RUNNING'"
                " from executions, generate_series(1, %s) n where kestra_execution_id = %s"
                " on conflict do nothing returning 1",
                live - 1,
                execution,
            )
            later(desk, 60)
            assert len(desk.rows("select take_checks(40, 5) as row")) == a_round

    def test_what_has_ended_is_not_looked_for(self, desk: Desk) -> None:
        execution = running(desk)
        desk.rows("select take_checks()")
        desk.by_flow("finish_run", kestra_execution_id=execution, state="SUCCESS")
        later(desk, 60)
        assert desk.rows("select take_checks() as row") == []
        assert desk.rows("select 1 from private.execution_checks") == []

    def test_looking_is_no_news(self, desk: Desk) -> None:
        running(desk)
        before = desk.by(desk.rita, "news")
        desk.rows("select take_checks()")
        assert desk.by(desk.rita, "news") == before


class TestResumedByHand:
    def test_a_pending_approval_of_a_run_that_went_on_is_cancelled(self, desk: Desk) -> None:
        execution, approval = desk.waiting()
        assert desk.by_flow("note_resumed", kestra_execution_id=execution) == {"cancelled": True}
        assert desk.by_flow("note_resumed", kestra_execution_id=execution) == {"cancelled": False}
        kept = desk.row("select status, cause from approvals where id = %s", approval["id"])
        assert kept["status"] == "cancelled"
        assert "resumed in Kestra" in kept["cause"]
        with pytest.raises(Refused) as refused:
            desk.decide(desk.ana, approval)
        assert refused.value.code == "not_pending"
        assert desk.begin(execution)["allowed"] is False

    def test_a_decided_one_stays_as_it_is(self, desk: Desk) -> None:
        execution, approval = desk.waiting()
        desk.decide(desk.ana, approval)
        assert desk.by_flow("note_resumed", kestra_execution_id=execution) == {"cancelled": False}
        assert desk.begin(execution)["allowed"] is True


class TestEnds:
    def test_a_kill_that_nobody_asked_for_here_is_named(self, desk: Desk) -> None:
        execution = running(desk)
        desk.by_flow("finish_run", kestra_execution_id=execution, state="KILLED")
        assert incident(desk, execution)["needs_human_reason"].startswith(
            "The run was killed in Kestra; nobody"
        )

    def test_a_kill_that_was_asked_for_is_just_that(self, desk: Desk) -> None:
        execution = running(desk)
        run = desk.row("select id from executions where kestra_execution_id = %s", execution)
        desk.by(desk.rita, "request_command", kind="kill", id=run["id"], reason="wrong service")
        desk.by_flow("finish_run", kestra_execution_id=execution, state="KILLED")
        assert incident(desk, execution)["needs_human_reason"] == "The run was killed."

    def test_the_worker_tells_when_it_really_ended(self, desk: Desk) -> None:
        execution = running(desk)
        desk.rows("update executions set started_at = now() - interval '2 days' returning 1")
        detail = {"by": "worker", "ended_at": "2026-01-01T00:00:00Z"}
        desk.by_flow("finish_run", kestra_execution_id=execution, state="FAILED", detail=detail)
        kept = desk.row("select ended_at, started_at from executions")
        assert kept["ended_at"] == kept["started_at"]
        [event] = desk.rows("select actor_name from incident_events where kind = 'run_ended'")
        assert event["actor_name"] == "worker"


PAYLOAD = {"id": "INC-7", "service": "payment-api", "severity": "HIGH", "title": "Errors", "logs": ["a"]}


class TestAdopted:
    @pytest.fixture
    def desk(self, desk: Desk) -> Desk:
        desk.configure("organizations", desk.organization, is_default=True)
        return desk

    def adopt(self, desk: Desk, execution: str, payload: Any, state: str = "FAILED") -> Any:
        return desk.by_flow(
            "adopt_execution",
            kestra_execution_id=execution,
            payload=payload,
            state=state,
            kestra_instance=OURS,
            seen=3,
            problem="Supabase was away; password=hunter2hunter2",
        )

    def test_an_incident_whose_run_failed_before_its_claim_is_filed_and_a_run_owed(self, desk: Desk) -> None:
        answer = self.adopt(desk, "ex-1", PAYLOAD)
        assert answer["adopted"] is True
        kept = desk.row("select external_id, severity, source from incidents")
        assert kept == {"external_id": "INC-7", "severity": "HIGH", "source": "webhook"}
        [owed] = desk.rows("select id, kind, status from outbox")
        assert (str(owed["id"]), owed["kind"], owed["status"]) == (answer["run_id"], "start_run", "owed")
        tried = desk.row("select owns, state, problem, ended_at from executions")
        assert (tried["owns"], tried["state"]) == (False, "FAILED")
        assert tried["ended_at"] is not None
        assert "hunter2" not in tried["problem"]

    def test_one_that_was_killed_is_filed_and_not_started_again(self, desk: Desk) -> None:
        answer = self.adopt(desk, "ex-1", PAYLOAD, "KILLED")
        assert (answer["adopted"], answer["run_id"]) == (True, None)
        kept = desk.row("select needs_human, needs_human_reason from incidents")
        assert kept["needs_human"] is True
        assert "killed in Kestra before" in kept["needs_human_reason"]
        assert desk.rows("select 1 from outbox") == []

    def test_it_happens_once(self, desk: Desk) -> None:
        self.adopt(desk, "ex-1", PAYLOAD)
        with pytest.raises(Refused) as refused:
            self.adopt(desk, "ex-1", PAYLOAD)
        assert refused.value.code == "known"
        assert desk.row("select occurrences from incidents")["occurrences"] == 1
        assert len(desk.rows("select 1 from outbox")) == 1

    def test_the_desks_own_start_is_left_to_the_desk(self, desk: Desk) -> None:
        submitted = desk.submit()
        answer = self.adopt(desk, "ex-1", {"run_id": submitted["run_id"]})
        assert answer["adopted"] is False
        assert desk.rows("select 1 from executions") == []

    def test_one_of_an_incident_that_is_being_handled_owes_no_second_run(self, desk: Desk) -> None:
        desk.by_flow("open_run", payload=PAYLOAD, kestra_execution_id="ex-0")
        answer = self.adopt(desk, "ex-1", PAYLOAD)
        assert (answer["adopted"], answer["run_id"]) == (True, None)
        assert desk.row("select occurrences from incidents")["occurrences"] == 2

    def test_without_an_organization_for_webhooks_nothing_is_filed(self, desk: Desk) -> None:
        desk.configure("organizations", desk.organization, is_default=False)
        assert self.adopt(desk, "ex-1", PAYLOAD)["adopted"] is False

    def test_only_those_that_never_reported_are_unknown(self, desk: Desk) -> None:
        execution = running(desk)
        ids = json.loads(json.dumps([execution, "ex-9"]))
        found = desk.rows("select unknown_executions(%s) as id", ids)
        assert [row["id"] for row in found] == ["ex-9"]
