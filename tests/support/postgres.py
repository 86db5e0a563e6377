"""The sandbox's Postgres for tests: started by its own command, with databases made from templates."""

import os
import random
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from dashboard.migrate import migrate, read_migrations
from tests.support.until import until

ROOT = Path(__file__).parents[2]
MIGRATIONS = sorted((ROOT / "supabase" / "migrations").glob("*.sql"))
# As a new Supabase project: nothing in it yet.
BLANK = "blank"
# The same with all migrations applied.
MIGRATED = "migrated"

# A hundred people at once, each on a connection of their own, and whoever looks on.
_CONNECTIONS = 150
_ROLES = {
    "supabase_admin": "SANDBOX_POSTGRES_PASSWORD",
    "postgres": "SANDBOX_MIGRATION_PASSWORD",
    "authenticator": "SANDBOX_AUTHENTICATOR_PASSWORD",
    "supabase_auth_admin": "SANDBOX_AUTH_PASSWORD",
}


# Each test process has a range of its own, below the one from which the kernel takes ports for outgoing
# connections: what is free now is free a moment later as well.
_RANGE = 6_000
_FIRST = 20_000 + _RANGE * (os.environ.get("PYTEST_XDIST_WORKER") == "gw1")
_ports = iter(random.sample(range(_FIRST, _FIRST + _RANGE), _RANGE))


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on; never the same twice."""
    for port in _ports:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("all ports were given out")


def new_passwords() -> dict[str, str]:
    """A password for each environment variable that the launcher and the gateway read."""
    return {name: secrets.token_hex(8) for name in _ROLES.values()}


@dataclass(frozen=True)
class Database:
    """One database; `url()` is that of the migrations' owner."""

    port: int
    name: str
    passwords: dict[str, str]

    def url(self, role: str = "postgres") -> str:
        """For role postgres, authenticator, supabase_auth_admin or supabase_admin (the superuser)."""
        return f"postgresql://{role}:{self.passwords[_ROLES[role]]}@127.0.0.1:{self.port}/{self.name}"

    def connect(self, role: str = "postgres") -> "psycopg.Connection[tuple[Any, ...]]":
        """A connection in autocommit mode."""
        return psycopg.connect(self.url(role), autocommit=True)


class RunningPostgres:
    """One launcher with its server; what the launcher wrote is in `log`."""

    def __init__(self, data: Path, port: int, passwords: dict[str, str], *arguments: str) -> None:
        self.port = port
        self.passwords = passwords
        self.log = data.with_name(data.name + ".log")
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "sandbox.supabase.postgres"),
                    *("--data", str(data), "--port", str(port), *arguments),
                ],
                cwd=ROOT,
                env=os.environ | passwords,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            until(self._is_up, f"Postgres is ready (log: {self.log})", every=0.02)
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise
        self.server_pid = int((data / "cluster" / "postmaster.pid").read_text().split()[0])

    def _is_up(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"Postgres ended with {self.process.returncode}: {self.log.read_text()}")
        try:
            self.database().connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def database(self, name: str = "postgres") -> Database:
        return Database(self.port, name, self.passwords)

    @property
    def url(self) -> str:
        """The migrations' owner on the database a sandbox uses."""
        return self.database().url()

    def has_database(self, name: str) -> bool:
        with self.database().connect() as connection:
            query = "select from pg_database where datname = %s"
            return connection.execute(query, [name]).fetchone() is not None

    def stop(self, seconds: float = 5) -> int:
        """SIGTERM to the launcher; answers its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)


def start_postgres(
    data: Path,
    port: int | None = None,
    passwords: dict[str, str] | None = None,
    *,
    binaries: Path | None = None,
) -> RunningPostgres:
    """A server on `data`, ready for connections.

    It does not wait for the disk: a test's data need not survive a power failure.
    """
    arguments = ["--setting", "fsync=off", "--setting", f"max_connections={_CONNECTIONS}"]
    if binaries is not None:
        arguments += ["--binaries", str(binaries)]
    return RunningPostgres(data, port or free_port(), passwords or new_passwords(), *arguments)


def blank_template(postgres: RunningPostgres) -> str:
    """Makes the template `BLANK` if there is none; answers its name."""
    if not postgres.has_database(BLANK):
        _copy(postgres, BLANK, "postgres")
    return BLANK


def migrated_template(postgres: RunningPostgres) -> str:
    """Makes the template `MIGRATED` if there is none; answers its name."""
    if not postgres.has_database(MIGRATED):
        _copy(postgres, MIGRATED, blank_template(postgres))
        migrate(postgres.database(MIGRATED).url(), read_migrations(MIGRATIONS), say=lambda _: None)
    return MIGRATED


@contextmanager
def scratch_database(postgres: RunningPostgres, template: str | None = None) -> Iterator[Database]:
    """A copy of `template`, or a new project; dropped in the end, whoever is still connected.

    Takes about 50 ms.
    """
    name = f"scratch_{secrets.token_hex(6)}"
    _copy(postgres, name, template or blank_template(postgres))
    try:
        yield postgres.database(name)
    finally:
        with postgres.database().connect("supabase_admin") as connection:
            connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def _copy(postgres: RunningPostgres, name: str, template: str) -> None:
    statement = sql.SQL("create database {} template {} owner postgres")
    with postgres.database("template1").connect("supabase_admin") as connection:
        connection.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
