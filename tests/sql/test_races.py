"""What two or a hundred people do at the same moment, each on a connection of their own."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import datetime
from threading import Barrier
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.sql.desk import Desk, Person, Refused
from tests.support.until import until

MANY = 100
# All of them with `make faults`; each takes half a second on a quiet machine.
ROUNDS = 20 if os.environ.get("FAULTS") == "all" else 3
BURST: dict[str, Any] = {"service": "payment-api", "severity": "HIGH", "title": "Burst"}


class Caller:
    """A signed-in person on an open connection; what is called is not committed by itself."""

    def __init__(self, connection: "psycopg.Connection[dict[str, Any]]", person: Person) -> None:
        self.connection = connection
        self.person = person
        claims = json.dumps({"sub": person.id, "role": "authenticated"})
        connection.execute("select set_config('request.jwt.claims', %s, false)", [claims])
        connection.execute("set role authenticated")
        connection.commit()

    def call(self, function: str, **arguments: Any) -> Any:
        """Raises Refused, with the transaction rolled back."""
        named = ", ".join(f"{name} => %s" for name in arguments)
        values = [json.dumps(value) if isinstance(value, dict) else value for value in arguments.values()]
        try:
            row = self.connection.execute(
                f"select public.{function}({named}) as answer".encode(), values
            ).fetchone()
        except psycopg.Error as error:
            self.connection.rollback()
            raise Refused(error) from error
        assert row is not None
        return row["answer"]

    def decide(self, approval: dict[str, Any], decision: str = "approved", reason: str = "because") -> Any:
        return self.call(
            "decide_approval",
            approval_id=approval["id"],
            decision=decision,
            reason=reason,
            content_hash=approval["content_hash"],
        )

    def submit(self, **payload: Any) -> Any:
        return self.call("submit_incident", payload=BURST | payload)

    def is_waiting_for_a_lock(self, desk: Desk) -> bool:
        query = "select from pg_stat_activity where pid = %s and wait_event_type = 'Lock'"
        return bool(desk.rows(query, self.connection.info.backend_pid))


@contextmanager
def callers(desk: Desk, people: list[Person]) -> Iterator[list[Caller]]:
    with ExitStack() as opened:
        yield [
            Caller(opened.enter_context(psycopg.connect(desk.url, row_factory=dict_row)), person)
            for person in people
        ]


def all_at_once(called_by: list[Caller], call: Callable[[Caller], Any]) -> tuple[list[Any], list[Refused]]:
    """What those were answered who were, and the refusals of the others."""
    gate = Barrier(len(called_by))

    def one(caller: Caller) -> Any:
        gate.wait(30)
        try:
            answer = call(caller)
        except Refused as refused:
            return refused
        caller.connection.commit()
        return answer

    with ThreadPoolExecutor(len(called_by)) as pool:
        outcomes = list(pool.map(one, called_by))
    refused = [outcome for outcome in outcomes if isinstance(outcome, Refused)]
    return [outcome for outcome in outcomes if not isinstance(outcome, Refused)], refused


def of_ones_own(caller: Caller, approval: dict[str, Any]) -> Any:
    """Every second person rejects, each with a reason of their own."""
    decision = "rejected" if caller.person.name[-1] in "13579" else "approved"
    return caller.decide(approval, decision, f"{caller.person.name} says so")


class TestAHundred:
    def test_of_a_hundred_decisions_one_wins_and_the_others_are_told_who(
        self, desk: Desk, capsys: pytest.CaptureFixture[str]
    ) -> None:
        people = [desk.person(f"P{number}", "approver") for number in range(MANY)]
        with callers(desk, people) as clicking:
            winners = [self.winner_of_one(desk, clicking) for _ in range(ROUNDS)]
        for table in ("approval_votes", "outbox where kind = 'deliver_decision'"):
            assert desk.row(f"select count(*) from {table}") == {"count": ROUNDS}, table
        with capsys.disabled():
            sys.stdout.write(
                f"\n{ROUNDS} approvals, {MANY} people at once: {len(winners)} decisions,"
                f" by {len(set(winners))} of them; {ROUNDS * (MANY - 1)} were told who, what, why and when;"
                " decided twice 0\n"
            )

    def winner_of_one(self, desk: Desk, clicking: list[Caller]) -> str:
        """Who won; all others were told by whom, what, why and when."""
        _, approval = desk.waiting()
        [won], refused = all_at_once(clicking, lambda caller: of_ones_own(caller, approval))
        row = desk.row("select * from approvals where id = %s", approval["id"])
        by = str(row["decided_by_name"])
        assert (won["decided_by_name"], won["status"]) == (by, row["status"])
        assert row["decision_reason"] == f"{by} says so"
        told = [(one.code, *(one.detail[name] for name in ("by", "decision", "reason"))) for one in refused]
        assert told == [("already_decided", by, row["status"], row["decision_reason"])] * (MANY - 1)
        assert {datetime.fromisoformat(one.detail["at"]) for one in refused} == {row["decided_at"]}
        return by

    def test_of_a_hundred_submissions_one_is_new_and_the_others_join_it(self, desk: Desk) -> None:
        with callers(desk, [desk.rita] * MANY) as reporting:
            answers, refused = all_at_once(
                reporting, lambda caller: caller.submit(context={"pid": caller.connection.info.backend_pid})
            )
        assert refused == []
        assert len({answer["incident_id"] for answer in answers}) == 1
        [first] = [answer for answer in answers if not answer["joined"]]
        assert [answer["run_id"] for answer in answers if answer["run_id"]] == [first["run_id"]]
        assert sorted(answer["occurrences"] for answer in answers) == list(range(1, MANY + 1))
        # No report is lost: each keeps what it said.
        kept = desk.rows(
            "select distinct detail #>> '{payload,context,pid}' from incident_events"
            " where kind = 'seen_again'"
        )
        assert len(kept) == MANY - 1


class TestTwo:
    """The first has not committed when the second comes."""

    @pytest.fixture
    def pair(self, desk: Desk) -> Iterator[list[Caller]]:
        with callers(desk, [desk.ana, desk.ben]) as pair:
            yield pair

    def meanwhile(self, desk: Desk, second: Caller, call: Callable[[], Any]) -> "Future[Any]":
        """The second's call, once it waits for the first."""
        pool = ThreadPoolExecutor(1)
        answer = pool.submit(call)
        pool.shutdown(wait=False)
        until(lambda: second.is_waiting_for_a_lock(desk), f"{second.person.name} waits")
        return answer

    def test_the_second_decision_hears_of_the_first(self, desk: Desk, pair: list[Caller]) -> None:
        _, approval = desk.waiting()
        ana, ben = pair
        ana.decide(approval)
        second = self.meanwhile(desk, ben, lambda: ben.decide(approval, "rejected"))
        ana.connection.commit()
        with pytest.raises(Refused, match="Ana") as refused:
            second.result(10)
        assert (refused.value.code, refused.value.detail["by"]) == ("already_decided", "Ana")
        assert desk.row("select status from approvals")["status"] == "approved"

    def test_a_first_decision_that_is_rolled_back_leaves_it_to_the_second(
        self, desk: Desk, pair: list[Caller]
    ) -> None:
        _, approval = desk.waiting()
        ana, ben = pair
        ana.decide(approval)
        second = self.meanwhile(desk, ben, lambda: ben.decide(approval, "rejected"))
        ana.connection.rollback()
        assert second.result(10)["decided_by_name"] == "Ben"

    def test_a_severity_raised_first_leaves_nothing_to_decide(self, desk: Desk, pair: list[Caller]) -> None:
        _, approval = desk.waiting()
        incident = desk.row("select id, version from incidents")
        ana, ben = pair
        ana.call(
            "update_incident",
            incident_id=incident["id"],
            kind="severity",
            payload={"severity": "CRITICAL"},
            version=incident["version"],
        )
        second = self.meanwhile(desk, ben, lambda: ben.decide(approval))
        ana.connection.commit()
        with pytest.raises(Refused) as refused:
            second.result(10)
        assert refused.value.code == "not_pending"

    def test_the_second_submission_joins_the_first(self, desk: Desk, pair: list[Caller]) -> None:
        ana, ben = pair
        first = ana.submit()
        second = self.meanwhile(desk, ben, ben.submit)
        ana.connection.commit()
        joined = second.result(10)
        assert (joined["joined"], joined["incident_id"]) == (True, first["incident_id"])

    def test_a_first_submission_that_is_rolled_back_makes_the_second_the_first(
        self, desk: Desk, pair: list[Caller]
    ) -> None:
        ana, ben = pair
        ana.submit()
        second = self.meanwhile(desk, ben, ben.submit)
        ana.connection.rollback()
        assert second.result(10)["joined"] is False
        ben.connection.commit()
        assert len(desk.rows("select from incidents")) == 1

    def test_another_organization_does_not_wait(self, desk: Desk, pair: list[Caller]) -> None:
        pair[0].submit()
        other = Desk(desk.url, "globex")
        assert other.submit(**BURST)["joined"] is False
