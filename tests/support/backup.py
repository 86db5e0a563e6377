"""Backup and restore of a whole database, by the commands of docs/restore.md."""

import os
import subprocess
from pathlib import Path

from psycopg import sql

from sandbox.supabase.binaries import wheel_binaries
from tests.support.postgres import Database


def dump(database: Database, file: Path) -> None:
    """Everything in the database, as it is at one moment."""
    _run("pg_dump", "--format=custom", f"--file={file}", f"--dbname={database.url('supabase_admin')}")


def wipe(database: Database) -> None:
    """Nothing is left; whoever is connected is thrown out."""
    with _beside(database).connect("supabase_admin") as admin:
        admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(database.name)))


def restore(database: Database, file: Path) -> None:
    """The database as it was when it was dumped; it must not exist."""
    admin = _beside(database).url("supabase_admin")
    _run("pg_restore", "--create", "--exit-on-error", f"--dbname={admin}", str(file))


def _beside(database: Database) -> Database:
    return Database(database.port, "template1", database.passwords)


def _run(program: str, *arguments: str) -> None:
    command = [str(wheel_binaries() / "bin" / program), *arguments]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, env=os.environ | {"TZ": "UTC"}
    )
    assert done.returncode == 0, done.stderr
