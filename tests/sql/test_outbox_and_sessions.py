"""What is owed is settled once; who is signed in is known by a hash alone."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.sql.desk import Desk, Refused

HASH = "a" * 64


def take(desk: Desk, worker: str = "w") -> list[dict[str, Any]]:
    rows = desk.as_role("service_role", {}, "select public.take_outbox(%s, null, 10, 30) as row", [worker])
    return [row["row"] for row in rows]


class TestOutbox:
    def test_a_leased_row_is_not_given_twice(self, desk: Desk) -> None:
        desk.submit()
        with ThreadPoolExecutor(8) as pool:
            taken = [row for rows in pool.map(lambda n: take(desk, f"w{n}"), range(8)) for row in rows]
        assert len(taken) == 1

    def test_a_lost_lease_settles_nothing(self, desk: Desk) -> None:
        desk.submit()
        (row,) = take(desk)
        desk.rows("update outbox set lease_until = now() - interval '1 second' returning 1")
        take(desk, "another")
        with pytest.raises(Refused) as refused:
            desk.by_flow("settle_outbox", id=row["id"], lease_token=row["lease_token"], outcome="done")
        assert refused.value.code == "lost_lease"

    def test_a_failure_is_tried_again_later_and_keeps_its_cause(self, desk: Desk) -> None:
        desk.submit()
        (row,) = take(desk)
        desk.by_flow(
            "settle_outbox",
            id=row["id"],
            lease_token=row["lease_token"],
            outcome="retry",
            detail={"error": "Kestra is not reachable."},
        )
        assert take(desk) == [], "tried again at once"
        kept = desk.row("select status, attempts, last_error, stuck_since from outbox")
        assert (kept["status"], kept["attempts"], kept["last_error"]) == (
            "owed",
            1,
            "Kestra is not reachable.",
        )
        assert kept["stuck_since"] is None

    def test_after_two_minutes_of_failures_it_counts_as_stuck_and_is_still_tried(self, desk: Desk) -> None:
        desk.submit()
        desk.rows("update outbox set created_at = now() - interval '3 minutes' returning 1")
        (row,) = take(desk)
        desk.by_flow("settle_outbox", id=row["id"], lease_token=row["lease_token"], outcome="retry")
        kept = desk.row("select status, stuck_since from outbox")
        assert kept["status"] == "owed"
        assert kept["stuck_since"] is not None

    def test_a_start_is_done_when_it_is_claimed_whatever_the_worker_says(self, desk: Desk) -> None:
        made = desk.submit()
        (row,) = take(desk)
        desk.claim(made)
        answer = desk.by_flow("settle_outbox", id=row["id"], lease_token=row["lease_token"], outcome="retry")
        assert answer == {"settled": False, "status": "done"}

    def test_a_delivered_decision_says_when(self, desk: Desk) -> None:
        _, approval = desk.waiting()
        desk.decide(desk.ana, approval)
        (row,) = take(desk)
        assert row["payload"]["status"] == "approved"
        desk.by_flow(
            "settle_outbox",
            id=row["id"],
            lease_token=row["lease_token"],
            outcome="done",
            detail={"state": "RUNNING"},
        )
        assert desk.row("select delivered_at from approvals")["delivered_at"] is not None


class TestSessions:
    def test_a_session_lives_from_sign_in_to_sign_out(self, desk: Desk) -> None:
        desk.by(desk.rita, "open_desk_session", cookie_hash=HASH, sealed="sealed")
        found = desk.by_anon("desk_session", cookie_hash=HASH)
        assert (found["user_id"], found["sealed"], found["version"]) == (desk.rita.id, "sealed", 1)
        desk.by_anon("close_desk_session", cookie_hash=HASH)
        assert desk.by_anon("desk_session", cookie_hash=HASH) is None
        assert desk.row("select sealed from desk_sessions")["sealed"] == "-"

    @pytest.mark.parametrize(
        "change", ["opened_at = now() - interval '31 days'", "used_at = now() - interval '8 days'"]
    )
    def test_it_ends_by_age_and_by_idleness(self, desk: Desk, change: str) -> None:
        desk.by(desk.rita, "open_desk_session", cookie_hash=HASH, sealed="sealed")
        desk.rows(f"update desk_sessions set {change} returning 1")
        assert desk.by_anon("desk_session", cookie_hash=HASH) is None

    def test_it_ends_when_the_person_is_switched_off(self, desk: Desk) -> None:
        desk.by(desk.rita, "open_desk_session", cookie_hash=HASH, sealed="sealed")
        desk.configure("profiles", desk.rita.id, active=False)
        assert desk.by_anon("desk_session", cookie_hash=HASH) is None

    def test_all_of_one_person_end_at_once_and_nobody_elses(self, desk: Desk) -> None:
        for person, letter in ((desk.rita, "a"), (desk.rita, "b"), (desk.ana, "c")):
            desk.by(person, "open_desk_session", cookie_hash=letter * 64, sealed="sealed")
        assert desk.by(desk.rita, "close_all_desk_sessions") == {"closed": 2}
        alive = [letter for letter in "abc" if desk.by_anon("desk_session", cookie_hash=letter * 64)]
        assert alive == ["c"]
        kept = desk.rows("select sealed from desk_sessions where user_id = %s", desk.rita.id)
        assert {row["sealed"] for row in kept} == {"-"}
        entry = desk.row("select actor_name, detail from audit_log where action = 'session.all_closed'")
        assert (entry["actor_name"], entry["detail"]) == (desk.rita.name, {"closed": 2})

    def test_of_ten_tabs_one_refreshes(self, desk: Desk) -> None:
        desk.by(desk.rita, "open_desk_session", cookie_hash=HASH, sealed="sealed")
        with ThreadPoolExecutor(10) as pool:
            answers = list(
                pool.map(lambda _: desk.by_anon("take_refresh", cookie_hash=HASH, version=1), range(10))
            )
        (lease,) = [answer["lease_token"] for answer in answers if answer["taken"]]
        with pytest.raises(Refused) as refused:
            desk.by_anon("store_refresh", cookie_hash=HASH, lease_token=str(uuid.uuid4()), sealed="forged")
        assert refused.value.code == "lost_lease"
        stored = desk.by_anon("store_refresh", cookie_hash=HASH, lease_token=lease, sealed="fresh")
        assert stored == {"version": 2}
        assert not desk.by_anon("take_refresh", cookie_hash=HASH, version=1)["taken"], (
            "refreshed an old version"
        )
