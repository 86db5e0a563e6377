"""Dump, wipe, restore: nothing is missing, nothing is more open, and work goes on where it was."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboard.domain.audit import verify
from tests.sql.desk import Desk
from tests.sql.test_audit_chain import read
from tests.support.backup import dump, restore, wipe
from tests.support.postgres import Database, RunningPostgres, scratch_database
from tests.support.privileges import read_privileges

Content = dict[str, tuple[int, str]]


def content(database: Database) -> Content:
    """Of every table of every schema that is not Postgres's own: how many rows, and a hash over them."""
    with database.connect("supabase_admin") as owner:
        tables = owner.execute(
            "select format('%I.%I', schemaname, tablename) from pg_tables"
            " where schemaname not in ('pg_catalog', 'information_schema') order by 1"
        ).fetchall()
        found: Content = {}
        for (table,) in tables:
            every = "coalesce(md5(string_agg(t::text, '|' order by t::text)), '')"
            query = f"select count(*), {every} from {table} t"
            row = owner.execute(query.encode()).fetchone()
            assert row is not None
            found[table] = (row[0], row[1])
    return found


@pytest.fixture
def database(postgres: RunningPostgres, template: str) -> Iterator[Database]:
    with scratch_database(postgres, template) as made:
        yield made


def test_what_was_dumped_is_there_again_with_its_guards_and_a_decision_can_still_be_made(
    database: Database, tmp_path: Path
) -> None:
    desk = Desk(database.url())
    _, decided = desk.waiting()
    desk.decide(desk.ana, decided)
    execution, pending = desk.waiting()
    owed = desk.submit()
    with database.connect() as owner:
        before, rights = content(database), read_privileges(owner)
    assert {"public.audit_log", "auth.users", "private.news"} <= before.keys()
    chain = read(desk)

    dump(database, tmp_path / "desk.dump")
    wipe(database)
    restore(database, tmp_path / "desk.dump")

    with database.connect() as owner:
        assert read_privileges(owner) == rights
    assert content(database) == before
    assert read(desk) == chain
    assert verify(chain).findings == ()
    desk.decide(desk.ana, pending)
    assert desk.begin(execution)["allowed"] is True
    taken = desk.as_role(
        "service_role", {"role": "service_role"}, "select public.take_outbox('w') as row", []
    )
    assert owed["run_id"] in {row["row"]["id"] for row in taken}
    longer = read(desk)
    assert longer[: len(chain)] == chain
    assert len(longer) > len(chain)
    assert verify(longer).findings == ()
