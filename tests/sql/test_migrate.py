"""Migrating a real Postgres, as an owner that is no superuser."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from dashboard.errors import Conflict, UpstreamRejected
from dashboard.migrate import Migration, migrate, read_migrations
from dashboard.resources import migration_files
from tests.support.postgres import Database

ONE = Migration("20261124000100", "one", "create table one (id int); insert into one values (1);")
TWO = Migration("20261124000200", "two", "create table two (note text default '100% sure');")
BROKEN = Migration("20261124000300", "broken", "create table three (id int); select 1 / 0;")


def silent(_: str) -> None:
    """Progress that nobody reads."""


def history(database: Database) -> list[tuple[str, str, list[str]]]:
    with database.connect() as connection:
        query = "select version, name, statements from supabase_migrations.schema_migrations order by version"
        return connection.execute(query).fetchall()


def test_all_our_migrations_apply_and_a_second_run_has_nothing_to_do(blank_database: Database) -> None:
    migrations = read_migrations(migration_files())
    said: list[str] = []
    assert migrate(blank_database.url(), migrations, said.append) == len(migrations) == len(said)
    assert migrate(blank_database.url(), migrations, silent) == 0


def test_history_is_kept_where_the_supabase_cli_looks(blank_database: Database) -> None:
    migrate(blank_database.url(), [ONE, TWO], silent)
    assert history(blank_database) == [(m.version, m.name, [m.sql]) for m in (ONE, TWO)]


def test_what_the_supabase_cli_has_applied_is_not_applied_again(blank_database: Database) -> None:
    with blank_database.connect() as connection:
        connection.execute("create schema supabase_migrations")
        connection.execute(
            "create table supabase_migrations.schema_migrations"
            " (version text primary key, statements text[], name text)"
        )
        split = ["create table one (id int)", "insert into one values (1)"]
        connection.execute(
            "insert into supabase_migrations.schema_migrations values (%s, %s, %s)",
            [ONE.version, split, ONE.name],
        )
    assert migrate(blank_database.url(), [ONE, TWO], silent) == 1


def test_nothing_is_prepared_at_the_server_so_a_transaction_pooler_may_stand_between(
    blank_database: Database,
) -> None:
    looking = "insert into prepared select statement from pg_prepared_statements"
    begun = Migration("20261124000100", "begun", "create table prepared (statement text)")
    looks = [Migration(f"202611240002{n:02}", "look", looking) for n in range(8)]
    migrate(blank_database.url(), [begun, *looks], silent)
    with blank_database.connect() as connection:
        assert connection.execute("select * from prepared").fetchall() == []


def test_a_migration_that_fails_is_rolled_back_and_earlier_ones_stay(blank_database: Database) -> None:
    with pytest.raises(
        UpstreamRejected, match="20261124000300_broken was refused and rolled back: division by zero"
    ):
        migrate(blank_database.url(), [ONE, TWO, BROKEN], silent)
    assert [version for version, _, _ in history(blank_database)] == [ONE.version, TWO.version]
    with blank_database.connect() as connection:
        assert connection.execute("select to_regclass('three')").fetchone() == (None,)


def test_a_changed_migration_stops_before_anything_is_applied(blank_database: Database) -> None:
    migrate(blank_database.url(), [ONE], silent)
    changed = Migration(ONE.version, ONE.name, "create table one (id bigint);")
    with pytest.raises(Conflict, match="changed after it had been applied"):
        migrate(blank_database.url(), [changed, TWO], silent)
    assert len(history(blank_database)) == 1


def test_of_runs_at_the_same_time_each_migration_is_applied_by_one(blank_database: Database) -> None:
    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(lambda _: migrate(blank_database.url(), [ONE, TWO], silent), range(4)))
    assert sum(counts) == 2
