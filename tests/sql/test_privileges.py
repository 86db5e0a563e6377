"""What anybody may do, by two committed tables: as the catalogue has it, and as it is when tried.

A change of rights changes a table: `python -m tests.support.privileges` writes them, the diff is reviewed.
"""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from tests.support.postgres import RunningPostgres, migrated_template, scratch_database
from tests.support.privileges import (
    CALLS,
    NOTHING,
    PEOPLE,
    PRIVILEGES,
    ROLES,
    Connection,
    migrated,
    read_calls,
    read_privileges,
    read_table,
    sign_in_somebody,
)

# What projects made before 2026-10-30 grant on everything new in schema public.
_OLDER_PROJECT = [
    f"alter default privileges for role postgres in schema public grant all on {objects}"
    " to anon, authenticated, service_role"
    for objects in ("tables", "functions", "sequences")
]
# `references` is not among them: only who may create tables could try it.
_TRIALS = {
    "table": {
        "select": "select * from {object}",
        "insert": "insert into {object} default values",
        "update": "update {object} set {column} = default",
        "delete": "delete from {object}",
        "truncate": "truncate {object} cascade",
        "trigger": "create trigger mine before insert on {object} for each row"
        " execute function suppress_redundant_updates_trigger()",
        "maintain": "reindex table {object}",
    },
    "column": {
        "select": "select {column} from {object}",
        "insert": "insert into {object} ({column}) values (default)",
        "update": "update {object} set {column} = default",
    },
    "sequence": {
        "usage": "select nextval('{object}')",
        "select": "select last_value from {object}",
        "update": "select setval('{object}', 1)",
    },
    "schema": {
        "usage": "select '{object}.organizations'::regclass",
        "create": "create table {object}.mine ()",
    },
}


@pytest.fixture(scope="module", params=["a new project", "an older project"])
def connection(request: pytest.FixtureRequest, postgres: RunningPostgres) -> Iterator[Connection]:
    """A migrated database; in the second one everything new is granted to everybody by default."""
    if request.param == "a new project":
        with scratch_database(postgres, migrated_template(postgres)) as database, database.connect() as new:
            yield new
        return
    with scratch_database(postgres) as database:
        with database.connect() as owner:
            for statement in _OLDER_PROJECT:
                owner.execute(statement.encode())
        with migrated(database).connect() as older:
            yield older


def forbidden(role: str) -> Iterator[tuple[str, str]]:
    """Each cell that is not given to a role, in words, with SQL that needs just that privilege."""
    rows = read_table(PRIVILEGES)
    first_column = {row["object"]: row["column"] for row in reversed(rows) if row["kind"] == "column"}
    for row in rows:
        name = row["object"]
        if row["kind"] == "function":
            function, _, types = name.removesuffix(")").partition("(")
            # Behind a select, or a strict function would not be called at all.
            nulls = ", ".join(f"(select null::{each})" for each in types.split(",") if each)
            trials = {"execute": f"select {function}({nulls})"}
        else:
            column = sql.Identifier(row["column"] or first_column.get(name, "")).as_string()
            trials = {
                privilege: trial.format(object=name, column=column)
                for privilege, trial in _TRIALS[row["kind"]].items()
            }
        for privilege, trial in trials.items():
            if privilege not in row[role].split():
                yield f"{privilege} on {row['kind']} {name} {row['column']}".strip(), trial


def is_refused(connection: Connection, trial: str) -> bool:
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(trial.encode())
    except psycopg.errors.InsufficientPrivilege:
        return True
    return False


def test_the_table_and_the_catalogue_say_the_same(connection: Connection) -> None:
    found, written = read_privileges(connection), read_table(PRIVILEGES)
    assert [row for row in found if row not in written] == [], "in force, but not in the table"
    assert [row for row in written if row not in found] == [], "in the table, but not in force"


@pytest.mark.parametrize("role", ROLES)
def test_every_forbidden_cell_is_refused(connection: Connection, role: str) -> None:
    with connection.transaction(force_rollback=True):
        if role == "authenticated":
            sign_in_somebody(connection, "admin")  # nobody may more
        else:
            connection.execute("select set_config('role', %s, true)", [role])
        tried = dict(forbidden(role))
        assert len(tried) > 300
        assert [cell for cell, trial in tried.items() if not is_refused(connection, trial)] == []


def test_the_role_of_a_person_lets_through_what_the_table_says(connection: Connection) -> None:
    assert read_calls(connection) == read_table(CALLS)


def test_more_is_never_let_through_for_a_lower_role() -> None:
    for row in read_table(CALLS):
        answers = [row[role] for role in PEOPLE]
        assert answers == sorted(answers), row["function"]


def test_everybody_writes_by_functions_only() -> None:
    for row in read_table(PRIVILEGES):
        assert set(row["anon"].split()) <= {NOTHING, "usage", "execute"}, row
        for role in ("authenticated", "service_role"):
            assert set(row[role].split()) <= {NOTHING, "usage", "select", "execute"}, row
