"""Migrating a database that has a history gives what migrating an empty one gives, and keeps its rows."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from dashboard.migrate import migrate, read_migrations
from tests.sql.desk import Desk
from tests.sql.story import carry_out
from tests.support.postgres import (
    MIGRATIONS,
    RunningPostgres,
    migrated_template,
    scratch_database,
)
from tests.support.schema import describe

ALL = read_migrations(MIGRATIONS)
# From here on an incident can come as far as its approval.
_PREFIXES = [number for number, each in enumerate(ALL) if each.version >= "20261124000700"]


def silent(_: str) -> None:
    """Progress that nobody reads."""


@pytest.fixture(scope="module")
def wanted(postgres: RunningPostgres) -> Iterator[list[str]]:
    """The schema of an empty database with all migrations."""
    with scratch_database(postgres, migrated_template(postgres)) as database, database.connect() as made:
        yield describe(made)


def written(desk: Desk) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table, by column."""
    tables = desk.rows("select tablename as name from pg_tables where schemaname = 'public' order by 1")
    return {
        table["name"]: [
            json.loads(row["row"])
            for row in desk.rows(f"select to_jsonb(t)::text as row from public.{table['name']} t order by 1")
        ]
        for table in tables
    }


@pytest.mark.parametrize("prefix", _PREFIXES, ids=[ALL[number - 1].version for number in _PREFIXES])
def test_a_database_with_history_becomes_the_same_and_goes_on(
    postgres: RunningPostgres, wanted: list[str], prefix: int
) -> None:
    with scratch_database(postgres) as database:
        migrate(database.url(), ALL[:prefix], silent)
        desk = Desk(database.url())
        waiting, approval = desk.waiting()
        desk.submit(severity="HIGH")
        before = written(desk)

        assert migrate(database.url(), ALL, silent) == len(ALL) - prefix
        with database.connect() as upgraded:
            assert describe(upgraded) == wanted
        after = written(desk)
        for table, rows in before.items():
            assert len(after[table]) == len(rows)
            for old, new in zip(rows, after[table], strict=True):
                assert new | old == new, table  # new columns may have come

        desk.decide(desk.ana, approval)
        carry_out(desk, waiting)
        assert desk.row("select status from incidents where id = %s", approval["incident_id"]) == {
            "status": "resolved"
        }
