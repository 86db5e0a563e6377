"""Two things at the same moment, many times over: one of them holds, and both say the same."""

import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import psycopg
import pytest

from tests.sql.desk import Desk, Refused
from tests.sql.test_second_thoughts import edit, proposal, withdraw
from tests.support.at_once import at_once
from tests.support.until import until

ROUNDS = 100 if os.environ.get("FAULTS") == "all" else 8


@pytest.fixture
def desk(desk: Desk) -> Desk:
    """With a third approver, so that an edited proposal still has somebody to decide."""
    desk.person("Cid", "approver")
    return desk


def deliveries(desk: Desk, approval: dict[str, Any]) -> list[str]:
    rows = desk.rows(
        "select payload ->> 'status' as said from outbox"
        " where kind = 'deliver_decision' and payload ->> 'approval_id' = %s",
        str(approval["id"]),
    )
    return [str(row["said"]) for row in rows]


def status(desk: Desk, approval: dict[str, Any]) -> str:
    return str(desk.row("select status from approvals where id = %s", approval["id"])["status"])


@contextmanager
def uncommitted(desk: Desk, role: str, person: str, call: str, *values: Any) -> Iterator[None]:
    """A call that has its locks; it commits at the end of the block."""
    with psycopg.connect(desk.url) as connection:
        connection.execute("select set_config('role', %s, true)", [role])
        claims = json.dumps({"sub": person, "role": role} if person else {"role": role})
        connection.execute("select set_config('request.jwt.claims', %s, true)", [claims])
        connection.execute(f"select public.{call}".encode(), list(values))
        yield


def somebody_waits(desk: Desk) -> bool:
    query = "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    return bool(desk.rows(query))


def the_deadline_is_over(desk: Desk) -> bool:
    return bool(desk.row("select bool_and(deadline_at < clock_timestamp()) as over from approvals")["over"])


def due_in(desk: Desk, approval: dict[str, Any], seconds: float) -> None:
    desk.rows(
        "update approvals set deadline_at = clock_timestamp() + make_interval(secs => %s)"
        " where id = %s returning 1",
        seconds,
        approval["id"],
    )


class TestTheDeadline:
    def test_a_click_before_it_holds_against_a_worker_that_waited_for_it(self, desk: Desk) -> None:
        # On a machine so slow that the time is over before the click comes, more of it is given.
        assert any(self.clicks_in_time(desk, seconds) for seconds in (1, 8, 25))

    def clicks_in_time(self, desk: Desk, seconds: float) -> bool:
        _, approval = desk.waiting()
        due_in(desk, approval, seconds)
        values = (approval["id"], approval["content_hash"])
        click = uncommitted(
            desk, "authenticated", desk.ana.id, "decide_approval(%s, 'approved', 'x', %s)", *values
        )
        with ThreadPoolExecutor(1) as pool, ExitStack() as clicked:
            try:
                clicked.enter_context(click)
            except psycopg.ProgrammingError:
                return False
            until(lambda: the_deadline_is_over(desk), "the deadline is over", every=0.05)
            expiring = pool.submit(desk.by_flow, "expire_approvals")
            until(lambda: somebody_waits(desk), "the worker waits", every=0.01)
            clicked.close()
            expiring.result(10)
        assert (status(desk, approval), deliveries(desk, approval)) == ("approved", ["approved"])
        return True

    def test_a_click_that_waited_for_the_worker_hears_that_it_is_over(self, desk: Desk) -> None:
        _, approval = desk.waiting()
        due_in(desk, approval, 0)
        with ThreadPoolExecutor(1) as pool:
            with uncommitted(desk, "service_role", "", "expire_approvals()"):
                click = pool.submit(desk.decide, desk.ana, approval)
                until(lambda: somebody_waits(desk), "the click waits", every=0.01)
            with pytest.raises(Refused) as refused:
                click.result(10)
        assert (refused.value.code, refused.value.detail["decision"]) == ("not_pending", "expired")
        assert (status(desk, approval), deliveries(desk, approval)) == ("expired", ["expired"])
        assert desk.rows("select from approval_votes") == []

    def test_at_its_very_moment_there_is_one_outcome(
        self, desk: Desk, capsys: pytest.CaptureFixture[str]
    ) -> None:
        counted: Counter[str] = Counter()
        seconds = 0.02
        for _ in range(ROUNDS):
            end = self.end_of_one(desk, seconds)
            counted[end] += 1
            # However fast the machine is, the next deadline lies nearer to the moment of the click.
            seconds = seconds * 0.8 if end == "approved" else seconds * 1.5 + 0.002
        with capsys.disabled():
            sys.stdout.write(f"\ndeadline and click at one moment, {ROUNDS} times: {dict(counted)}\n")

    def end_of_one(self, desk: Desk, seconds: float) -> str:
        _, approval = desk.waiting()
        due_in(desk, approval, seconds)
        click, _ = at_once(lambda: desk.decide(desk.ana, approval), lambda: desk.by_flow("expire_approvals"))
        until(lambda: the_deadline_is_over(desk), "the deadline is over", every=0.002)
        desk.by_flow("expire_approvals")
        end = status(desk, approval)
        assert (end, click) in (("approved", "done"), ("expired", "expired"), ("expired", "not_pending"))
        assert deliveries(desk, approval) == [end]
        return end


class TestSecondThoughts:
    def test_an_edit_and_a_decision_have_one_winner(self, desk: Desk) -> None:
        def one() -> list[str]:
            _, old = desk.waiting()
            return at_once(lambda: edit(desk, desk.ana, old), lambda: desk.decide(desk.ben, old))

        for _ in range(ROUNDS):
            assert one() in (["already_decided", "done"], ["done", "not_pending"])

    def test_of_two_edits_one_holds(self, desk: Desk) -> None:
        def one() -> tuple[list[str], int]:
            _, old = desk.waiting()
            outcomes = at_once(
                lambda: edit(desk, desk.ana, old),
                lambda: edit(desk, desk.ben, old, proposal=proposal(4)),
            )
            return sorted(outcomes), len(desk.rows("select from approvals where supersedes = %s", old["id"]))

        for _ in range(ROUNDS):
            assert one() == (["done", "not_pending"], 1)

    def test_a_withdrawal_the_act_and_the_delivery_agree(self, desk: Desk) -> None:
        for _ in range(ROUNDS):
            self.withdraw_begin_and_take(desk)
            # The next round's delivery is the only one that is owed.
            desk.rows("update outbox set status = 'done' where status = 'owed' returning 1")

    def withdraw_begin_and_take(self, desk: Desk) -> None:
        execution, old = desk.waiting()
        desk.decide(desk.ana, old)
        leave: list[dict[str, Any]] = []
        taken: list[Any] = []
        withdrawal, *_ = at_once(
            lambda: withdraw(desk, desk.ana, old),
            lambda: leave.append(desk.begin(execution)),
            lambda: taken.append(desk.by_flow("take_outbox", worker="w", kinds="{deliver_decision}")),
        )
        if withdrawal == "done":
            assert not leave[0]["allowed"], "withdrawn, and carried out all the same"
            assert taken == [None], "withdrawn, and delivered all the same"
        else:
            assert leave[0]["allowed"] or taken[0], f"{withdrawal}, but nothing had happened"
            assert withdrawal in ("delivered", "being_delivered")
            assert status(desk, old) == "approved"
