"""Who may do what in the database, read from its catalogue and written as two tables to review.

`python -m tests.support.privileges` applies all migrations to an empty Postgres and writes
`supabase/privileges.csv` (every schema, table, column, sequence and function of ours; `-` is nothing) and
`supabase/calls.csv` (what the role of a person lets through). A change of rights is a diff of these files.
"""

import csv
import json
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from dashboard.migrate import migrate, read_migrations
from tests.support.postgres import MIGRATIONS, ROOT, Database, start_postgres

PRIVILEGES = ROOT / "supabase" / "privileges.csv"
CALLS = ROOT / "supabase" / "calls.csv"
ROLES = ("anon", "authenticated", "service_role")
PEOPLE = ("viewer", "responder", "approver", "admin")
NOTHING = "-"

Row = dict[str, str]
Connection = psycopg.Connection[tuple[Any, ...]]

_TABLES = (
    "from pg_class c where c.relnamespace::regnamespace::text = any (%(schemas)s)"
    " and c.relkind in ('r', 'p', 'v', 'm', 'f')"
)
# For each kind of object: what may be granted on it, and a query of (oid, name, part, position).
_LISTS = {
    "schema": (
        ["usage", "create"],
        "select oid, nspname::text, '', 0 from pg_namespace where nspname = any (%(schemas)s)",
    ),
    "table": (
        ["select", "insert", "update", "delete", "truncate", "references", "trigger", "maintain"],
        f"select c.oid, c.oid::regclass::text, '', 0 {_TABLES}",
    ),
    "column": (
        ["select", "insert", "update", "references"],
        "select attrelid, attrelid::regclass::text, attname::text, attnum from pg_attribute"
        f" where attnum > 0 and not attisdropped and attrelid in (select c.oid {_TABLES})",
    ),
    "sequence": (
        ["usage", "select", "update"],
        "select oid, oid::regclass::text, '', 0 from pg_class"
        " where relnamespace::regnamespace::text = any (%(schemas)s) and relkind = 'S'",
    ),
    "function": (
        ["execute"],
        "select oid, oid::regprocedure::text, '', 0 from pg_proc"
        " where pronamespace::regnamespace::text = any (%(schemas)s)",
    ),
}
_SCHEMAS = ["public", "private"]


def read_privileges(connection: Connection) -> list[Row]:
    """Every object of our schemas with what each role of the API may do on it, in a stable order.

    It counts what is in force, so also what PUBLIC may do and what was granted by default.
    """
    rows: list[Row] = []
    with connection.transaction():
        connection.execute("set local search_path = ''")  # names are told with their schema
        for kind, (privileges, objects) in _LISTS.items():
            found = connection.execute(
                f"select o.name, o.part, {', '.join(_cell(kind, role) for role in ROLES)}"
                f" from ({objects}) as o (oid, name, part, position)"
                ' order by o.name collate "C", o.position'.encode(),
                {"schemas": _SCHEMAS, "privileges": privileges},
            )
            for name, part, *may in found:
                rows.append(
                    {"kind": kind, "object": name, "column": part} | dict(zip(ROLES, may, strict=True))
                )
    return rows


def _cell(kind: str, role: str) -> str:
    part = "o.position::smallint, " if kind == "column" else ""
    return (
        f"(select coalesce(string_agg(p, ' ' order by p), '{NOTHING}')"
        f" from unnest(%(privileges)s::text[]) as p where has_{kind}_privilege('{role}', o.oid, {part}p))"
    )


@contextmanager
def undone(connection: Connection) -> Iterator[None]:
    """A transaction of which nothing stays."""
    try:
        with connection.transaction(force_rollback=True):
            yield
    finally:
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


def read_calls(connection: Connection) -> list[Row]:
    """For every function that people may call: whose role is let through, tried with empty arguments.

    A role that is let through may be refused later, for what it asks.
    """
    functions = connection.execute(
        "select p.proname::text, array(select format_type(t, null) from unnest(p.proargtypes) as t)"
        " from pg_proc p where p.pronamespace = 'public'::regnamespace"
        " and has_function_privilege('authenticated', p.oid, 'execute') order by p.proname collate \"C\""
    ).fetchall()
    rows: list[Row] = []
    for function, types in functions:
        row = {"function": function}
        for role in PEOPLE:
            with undone(connection):
                sign_in_somebody(connection, role)
                row[role] = "yes" if _is_let_through(connection, function, types) else "no"
        rows.append(row)
    return rows


def sign_in_somebody(connection: Connection, role: str) -> None:
    """Makes a person of a role in an organization of their own and acts as them."""
    user, organization = uuid.uuid4(), uuid.uuid4()
    connection.execute("insert into auth.users (id, email) values (%s, %s)", [user, f"{user}@example.com"])
    connection.execute(
        "insert into public.organizations (id, name, slug) values (%s, 'One', %s)",
        [organization, f"o-{organization}"],
    )
    connection.execute(
        "insert into public.profiles (user_id, organization_id, role, display_name, email)"
        " values (%s, %s, %s, 'Somebody', 'somebody@example.com')",
        [user, organization, role],
    )
    claims = json.dumps({"sub": str(user), "role": "authenticated"})
    connection.execute("select set_config('request.jwt.claims', %s, true)", [claims])
    connection.execute("set local role authenticated")


_EMPTY = {
    "json": "{}",
    "jsonb": "{}",
    "uuid": str(uuid.UUID(int=0)),
    "text": "",
    "integer": 0,
    "boolean": False,
}


def _is_let_through(connection: Connection, function: str, types: list[str]) -> bool:
    values = sql.SQL(", ").join(
        sql.SQL("{}::{}").format(sql.Literal(_EMPTY.get(kind)), sql.SQL(kind)) for kind in types
    )
    try:
        with connection.transaction():
            connection.execute(sql.SQL("select public.{}({})").format(sql.Identifier(function), values))
    except psycopg.Error as error:
        detail = json.loads(error.diag.message_detail or "{}") if error.sqlstate == "PT403" else {}
        return detail.get("code") not in ("not_allowed", "not_signed_in", "inactive")
    return True


def read_table(file: Path) -> list[Row]:
    with file.open(newline="") as lines:
        return list(csv.DictReader(lines))


def write_table(file: Path, rows: list[Row]) -> None:
    with file.open("w", newline="") as lines:
        writer = csv.DictWriter(lines, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def migrated(database: Database) -> Database:
    migrate(database.url(), read_migrations(MIGRATIONS), say=lambda _: None)
    return database


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        postgres = start_postgres(Path(folder) / "postgres")
        try:
            with migrated(postgres.database()).connect() as connection:
                write_table(PRIVILEGES, read_privileges(connection))
                write_table(CALLS, read_calls(connection))
        finally:
            postgres.stop()


if __name__ == "__main__":
    main()
