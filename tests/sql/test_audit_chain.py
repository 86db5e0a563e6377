"""The audit log is one hash chain per organization, and `verify` finds whatever was done to it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from dashboard.domain.audit import Chained, Finding, verify
from tests.sql.desk import Desk, Refused


def read(desk: Desk, most: int = 500) -> list[Chained]:
    found: list[Chained] = []
    after = 0
    while True:
        rows = desk.as_role(
            "authenticated",
            {"sub": desk.ada.id, "role": "authenticated"},
            "select public.audit_entries(null, %s, %s) as entry",
            [after, most],
        )
        if not rows:
            return found
        found += [Chained.model_validate(row["entry"]) for row in rows]
        after = found[-1].position


def head(desk: Desk) -> dict[str, Any]:
    answer: dict[str, Any] = desk.by(desk.ada, "audit_head")
    return answer


@pytest.fixture
def decided(desk: Desk) -> Desk:
    """A log with a story in it."""
    _, approval = desk.waiting()
    desk.decide(desk.ana, approval)
    return desk


def tamper(desk: Desk, statement: str, *values: object) -> None:
    """As somebody who owns the tables and switches the guards off."""
    with psycopg.connect(desk.url) as owner:
        for table in ("audit_log", "audit_chain"):
            owner.execute(f"alter table public.{table} disable trigger user")
        owner.execute("alter table public.audit_chain drop constraint audit_chain_entry_id_fkey")
        owner.execute(statement.encode(), list(values))


def test_a_log_nobody_touched_verifies_up_to_its_head(decided: Desk) -> None:
    chain = read(decided, most=2)
    assert len(chain) >= 3
    result = verify(chain)
    assert result.findings == ()
    assert (result.position, result.hash) == (head(decided)["position"], head(decided)["hash"])
    assert head(decided)["unchained"] == []


@pytest.mark.parametrize(
    "change",
    [
        "update audit_log set detail = '{}' where action = 'approval.approved'",
        "update audit_log set actor_name = 'Somebody' where action = 'approval.approved'",
        "update audit_log set at = at + interval '1 microsecond' where action = 'approval.approved'",
        "update audit_log set actor_id = null where action = 'approval.approved'",
    ],
)
def test_a_changed_entry_is_found_where_it_stands(decided: Desk, change: str) -> None:
    place = next(e.position for e in read(decided) if e.action == "approval.approved")
    tamper(decided, change)
    assert [f.position for f in verify(read(decided)).findings] == [place]


def test_a_removed_entry_is_found(decided: Desk) -> None:
    place = next(e.position for e in read(decided) if e.action == "approval.approved")
    tamper(decided, "delete from audit_log where action = 'approval.approved'")
    (finding,) = verify(read(decided)).findings
    assert finding == Finding(place, "the entry is gone")


def test_a_removed_link_is_found(decided: Desk) -> None:
    tamper(decided, "delete from audit_chain where position = 2")
    assert verify(read(decided)).findings[0].position == 3
    assert len(head(decided)["unchained"]) == 1


def test_two_entries_that_changed_places_are_found(decided: Desk) -> None:
    tamper(
        decided,
        "update audit_chain c set hash = o.hash from audit_chain o"
        " where o.organization_id = c.organization_id and o.position = 3 - c.position"
        " and c.position in (1, 2)",
    )
    assert verify(read(decided)).findings[0].position == 1


def test_an_entry_past_the_chain_is_named(decided: Desk) -> None:
    tamper(
        decided,
        "insert into audit_log (organization_id, actor_name, action, subject_kind, subject_id)"
        " values (%s, 'forged', 'approval.approved', 'approvals', 'x')",
        decided.organization,
    )
    assert len(head(decided)["unchained"]) == 1


def test_a_chain_built_anew_is_found_by_a_head_kept_elsewhere(decided: Desk) -> None:
    kept = head(decided)
    tamper(decided, "update audit_log set actor_name = 'Somebody' where action = 'approval.approved'")
    with psycopg.connect(decided.url) as owner:
        owner.execute("delete from public.audit_chain")
        for (entry,) in owner.execute("select id from public.audit_log order by id").fetchall():
            owner.execute("select private.add_to_chain(a) from public.audit_log a where id = %s", [entry])
    assert verify(read(decided)).findings == ()
    (finding,) = verify(read(decided), kept={kept["position"]: kept["hash"]}).findings
    assert finding.position == kept["position"]


def test_a_chain_cut_at_its_end_is_found_by_a_head_kept_elsewhere(decided: Desk) -> None:
    kept = head(decided)
    tamper(decided, "delete from audit_chain where position = %s", kept["position"])
    (finding,) = verify(read(decided), kept={kept["position"]: kept["hash"]}).findings
    assert finding == Finding(kept["position"], "the chain ends before the head that was kept")


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role"])
@pytest.mark.parametrize("table", ["audit_log", "audit_chain"])
@pytest.mark.parametrize("statement", ["update {} set {} = {}", "delete from {}", "truncate {}"])
def test_no_key_changes_log_or_chain(decided: Desk, role: str, table: str, statement: str) -> None:
    column = "actor_name" if table == "audit_log" else "hash"
    query = statement.format(f"public.{table}", column, column)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        decided.as_role(role, {"sub": decided.ada.id, "role": role}, query, [])


def test_even_the_owner_is_refused_while_the_guards_stand(decided: Desk) -> None:
    with psycopg.connect(decided.url) as owner, pytest.raises(psycopg.Error, match="only grows"):
        owner.execute("update public.audit_chain set position = position + 1000")


def test_many_at_once_make_one_chain_without_a_gap(desk: Desk) -> None:
    threads = [threading.Thread(target=desk.submit) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    result = verify(read(desk))
    assert result.findings == ()
    assert result.position == desk.row("select count(*) as n from audit_chain where position > 0")["n"]


def at_once(desk: Desk, *transactions: list[tuple[str, str]]) -> None:
    """Runs transactions of (statement, value) at the same moment, twenty times; raises what one raised."""
    barrier = threading.Barrier(len(transactions))

    def run(statements: list[tuple[str, str]]) -> None:
        try:
            for _ in range(20):
                with psycopg.connect(desk.url) as owner:
                    barrier.wait(10)
                    for statement, value in statements:
                        owner.execute(statement.encode(), [value])
        except psycopg.Error:
            barrier.abort()
            raise

    with ThreadPoolExecutor(len(transactions)) as pool:
        for future in [pool.submit(run, statements) for statements in transactions]:
            future.result()


AUDIT = "select private.audit(%s, null, 'rules', 'approval.expired', 'approvals', 'x')"
CHANGE = "update public.incidents set title = title || '.' where id = %s"


def test_transactions_over_the_same_two_chains_do_not_wait_for_each_other(desk: Desk) -> None:
    one, two = desk.organization, Desk(desk.url, "other").organization
    at_once(desk, [(AUDIT, one), (AUDIT, two)], [(AUDIT, two), (AUDIT, one)])


def test_a_chain_and_the_counter_of_news_are_locked_in_one_order(desk: Desk) -> None:
    one, two = (desk.submit()["incident_id"] for _ in range(2))
    at_once(
        desk,
        [(AUDIT, desk.organization), (CHANGE, one)],
        [(CHANGE, two), (AUDIT, desk.organization)],
    )


def test_another_organization_is_not_readable(desk: Desk) -> None:
    other = Desk(desk.url, "other")
    with pytest.raises(Refused) as refused:
        desk.by(desk.ada, "audit_head", organization_id=other.organization)
    assert refused.value.sqlstate == "PT404"


def test_who_saw_which_version_is_noted_once(desk: Desk) -> None:
    _, approval = desk.waiting()
    for person in (desk.ana, desk.ana, desk.ben):
        desk.by(person, "note_seen", approval_id=approval["id"], content_hash=approval["content_hash"])
    seen = desk.rows("select actor_name, detail from audit_log where action = 'approval.seen' order by id")
    assert [(row["actor_name"], row["detail"]["content_hash"]) for row in seen] == [
        ("Ana", approval["content_hash"]),
        ("Ben", approval["content_hash"]),
    ]
    with pytest.raises(Refused) as refused:
        desk.by(desk.ana, "note_seen", approval_id=approval["id"], content_hash="0" * 64)
    assert refused.value.code == "stale_content"


def test_from_where_is_what_the_desk_said_without_anything_odd(desk: Desk) -> None:
    _, approval = desk.waiting()
    with psycopg.connect(desk.url) as connection:
        connection.execute(
            "select set_config('role', 'authenticated', true),"
            " set_config('request.jwt.claims', %s, true), set_config('request.headers', %s, true)",
            [
                f'{{"sub": "{desk.ana.id}", "role": "authenticated"}}',
                '{"x-desk-viewer": "10.0.0.7, 2001:db8::1 <script>\\n"}',
            ],
        )
        connection.execute(
            "select public.decide_approval(%s, 'approved', null, %s)",
            [approval["id"], approval["content_hash"]],
        )
    row = desk.row("select detail from audit_log where action = 'approval.approved'")
    assert row["detail"]["from"] == "10.0.0.7, 2001:db8::1 script"
