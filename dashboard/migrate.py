"""Applying the migrations over a plain Postgres connection, with the Supabase CLI's own bookkeeping.

Either tool can continue what the other began: both record in `supabase_migrations.schema_migrations`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg

from dashboard.errors import ConfigurationError, Conflict, UpstreamRejected, UpstreamUnreachable

SERVICE = "Postgres"

# Any number will do as long as every run takes the same one.
_LOCK = 0x1C1DE47
_BOOKKEEPING: tuple[str, ...] = (
    "create schema if not exists supabase_migrations",
    "create table if not exists supabase_migrations.schema_migrations (version text not null primary key)",
    "alter table supabase_migrations.schema_migrations add column if not exists statements text[]",
    "alter table supabase_migrations.schema_migrations add column if not exists name text",
)


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: `20261124000100_foundation.sql` is version `20261124000100`, name `foundation`."""

    version: str
    name: str
    sql: str


def read_migrations(files: Sequence[Path]) -> list[Migration]:
    """The files as migrations, oldest first. Raises ConfigurationError for a name that is none."""
    migrations = []
    for file in sorted(files):
        match = re.fullmatch(r"(\d{14})_([a-z0-9_]+)\.sql", file.name)
        if match is None:
            raise ConfigurationError(
                f"{file.name} is no migration's name.", to_do="Name it YYYYMMDDhhmmss_what_it_does.sql."
            )
        migrations.append(Migration(match[1], match[2], file.read_text(encoding="utf-8")))
    return migrations


def migrate(database_url: str, migrations: Sequence[Migration], say: Callable[[str], None]) -> int:
    """Apply what is missing, each migration in a transaction of its own; how many were applied.

    Raises Conflict when the database has another history, UpstreamRejected when SQL is refused (that
    migration is rolled back, earlier ones stay), UpstreamUnreachable when there is no connection.
    """
    try:
        # A transaction pooler gives each transaction another connection of the server's, and a statement that
        # was prepared at one is unknown at the next; by default psycopg prepares what it sends a sixth time.
        connection = psycopg.connect(
            database_url, autocommit=True, connect_timeout=10, prepare_threshold=None
        )
    except psycopg.OperationalError as error:
        raise UpstreamUnreachable(
            SERVICE,
            f"Postgres cannot be reached: {_one_line(error)}.",
            may_have_arrived=False,
            to_do="Check INCIDENTSCRIBE_DATABASE_URL.",
        ) from error
    with connection:
        with connection.transaction():
            _lock(connection)
            for statement in _BOOKKEEPING:
                connection.execute(statement)
        applied = sum(_apply(connection, migration, migrations, say) for migration in migrations)
        # A PostgREST that is already running learns of new functions and tables.
        connection.execute("notify pgrst, 'reload schema'")
    return applied


def _apply(
    connection: psycopg.Connection,
    migration: Migration,
    migrations: Sequence[Migration],
    say: Callable[[str], None],
) -> bool:
    with connection.transaction():
        # Taken and let go with the transaction, so it also works through a transaction pooler. Another
        # run may have been here since the last look, hence the look at the history under the lock.
        _lock(connection)
        recorded = _history(connection)
        check_history(recorded, migrations)
        if migration.version in recorded:
            return False
        say(f"migration {migration.version} {migration.name}")
        try:
            # Without parameters Postgres takes the whole file at once.
            connection.execute(migration.sql)
            connection.execute(
                "insert into supabase_migrations.schema_migrations (version, name, statements)"
                " values (%s, %s, %s)",
                (migration.version, migration.name, [migration.sql]),
            )
        except psycopg.Error as error:
            raise UpstreamRejected(
                SERVICE,
                f"The migration {migration.version}_{migration.name} was refused and rolled back:"
                f" {_one_line(error)}.",
                to_do="Earlier migrations stay applied; mend this one and run migrate again.",
            ) from error
    return True


def check_history(recorded: dict[str, str | None], migrations: Sequence[Migration]) -> None:
    """Compare what the database has applied with the files. Raises Conflict where they differ."""
    files = {migration.version: migration for migration in migrations}
    for version, text in recorded.items():
        if version not in files:
            raise Conflict(
                f"The database has a migration {version} that this version does not know.",
                to_do="Use the version of incidentscribe that applied it, or a newer one.",
            )
        if text is not None and _bare(text) != _bare(files[version].sql):
            raise Conflict(
                f"The migration {version}_{files[version].name} was changed after it had been applied.",
                to_do="Restore the file and put the change into a new migration.",
            )
    newest = max(recorded, default="")
    for version, migration in files.items():
        if version not in recorded and version < newest:
            raise Conflict(
                f"The migration {version}_{migration.name} is older than {newest}, which is already applied.",
                to_do="Give it a newer version.",
            )


def _history(connection: psycopg.Connection) -> dict[str, str | None]:
    rows = connection.execute(
        "select version, array_to_string(statements, '') from supabase_migrations.schema_migrations"
    ).fetchall()
    return {str(version): text for version, text in rows}


def _lock(connection: psycopg.Connection) -> None:
    connection.execute("select pg_advisory_xact_lock(%s)", (_LOCK,))


def _bare(sql: str) -> str:
    """SQL without blanks and semicolons: the Supabase CLI stores the statements split and trimmed."""
    return re.sub(r"[\s;]+", "", sql)


def _one_line(error: psycopg.Error) -> str:
    where = getattr(error, "diag", None)
    message = (where.message_primary if where is not None else None) or str(error)
    return " ".join(message.split()).rstrip(".")
