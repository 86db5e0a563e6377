"""`python -m sandbox.supabase.postgres`: a real Postgres with what a Supabase project has, on 127.0.0.1 only."""

import hashlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from importlib import resources
from pathlib import Path
from types import FrameType
from typing import Annotated

import psycopg
import typer
from psycopg import sql

from sandbox.processes import die_with_parent
from sandbox.serving import refuse_to_start
from sandbox.supabase.binaries import Binaries, is_reachable, server_user

_START_SECONDS = 30
# Roles that log in, and where their password comes from.
_PASSWORDS = {
    "postgres": "SANDBOX_MIGRATION_PASSWORD",
    "authenticator": "SANDBOX_AUTHENTICATOR_PASSWORD",
    "supabase_auth_admin": "SANDBOX_AUTH_PASSWORD",
}
_SUPERUSER = "supabase_admin"


class Cluster:
    """A data folder and the server over it."""

    def __init__(self, data: Path, port: int, superuser_password: str, binaries: Binaries) -> None:
        self._user = server_user()
        self._home = _home(data, self._user)
        self._folder = self._home / "cluster"
        self._binaries = binaries.reachable_from(self._home)
        self._password = superuser_password
        self._process: subprocess.Popen[bytes] | None = None
        self.port = port

    @property
    def superuser_url(self) -> str:
        return f"postgresql://{_SUPERUSER}:{self._password}@127.0.0.1:{self.port}/postgres"

    def make(self) -> None:
        """initdb, unless the folder holds a cluster."""
        if (self._folder / "PG_VERSION").exists():
            return
        shutil.rmtree(self._folder, ignore_errors=True)
        with tempfile.NamedTemporaryFile("w", dir=self._home) as passwords:
            passwords.write(self._password)
            passwords.flush()
            if self._user:
                os.chown(passwords.name, self._user.pw_uid, self._user.pw_gid)
            made = self._run(
                *("initdb", "-D", self._folder, "-U", _SUPERUSER, "-E", "UTF8", "--pwfile", passwords.name),
                # All three, or lower(), ilike and trigrams know only ASCII.
                *("--locale=C.UTF-8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
                *("--auth-local=scram-sha-256", "--auth-host=scram-sha-256"),
            )
        if made.returncode:
            refuse_to_start(f"Postgres could not make its data folder: {made.stderr.decode().strip()}")

    def start(self) -> None:
        """The server, accepting connections; what an earlier kill left behind is recovered."""
        self._process = subprocess.Popen(
            [
                *(str(self._binaries.folder / "postgres"), "-D", str(self._folder)),
                *("-c", "listen_addresses=127.0.0.1", "-c", f"port={self.port}"),
                *("-c", f"unix_socket_directories={self._folder}", "-c", "max_connections=80"),
                *("-c", "log_min_messages=warning"),
            ],
            **self._as_server_user(),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGINT),
        )
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                psycopg.connect(self.superuser_url, connect_timeout=2).close()
            except psycopg.OperationalError as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    refuse_to_start(f"Postgres did not start on 127.0.0.1:{self.port}: {error}")
                time.sleep(0.02)
            else:
                return

    def bootstrap(self, passwords: dict[str, str]) -> None:
        """Roles, schemas and functions of a Supabase project; `passwords` by role."""
        script = resources.files("sandbox.supabase").joinpath("bootstrap.sql").read_text()
        with psycopg.connect(self.superuser_url) as connection:
            connection.execute(script.encode())
            for role, password in passwords.items():
                connection.execute(
                    sql.SQL("alter role {} password {}").format(sql.Identifier(role), sql.Literal(password))
                )

    def stop(self) -> None:
        """Fast shutdown: open transactions are rolled back, the data folder is consistent."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)

    def wait(self) -> int:
        """The server's exit code, once it has ended."""
        return self._process.wait() if self._process else 0

    def _run(self, program: str, *arguments: object) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(
            [str(self._binaries.folder / program), *(str(each) for each in arguments)],
            **self._as_server_user(),
            check=False,
            capture_output=True,
        )

    def _as_server_user(self) -> dict[str, object]:
        # A locale of the caller's that is not installed here would stop initdb.
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("LC_", "LANG", "SANDBOX_", "PG"))
        }
        options: dict[str, object] = {"env": environment | {"LANG": "C.UTF-8"}, "cwd": str(self._home)}
        if self._user:
            options |= {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}
        return options


def _home(data: Path, user: pwd.struct_passwd | None) -> Path:
    """A folder that the server's user can use: `data`, or when root started us below a closed folder, one
    below /var/tmp that `data` links to."""
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    if user is None:
        return data
    if is_reachable(data):
        os.chown(data, user.pw_uid, user.pw_gid)
        return data
    elsewhere = Path("/var/tmp") / f"incidentscribe-{hashlib.sha256(str(data).encode()).hexdigest()[:16]}"  # noqa: S108
    link = data / "elsewhere"
    if not link.is_symlink():
        # Of a folder that was wiped; the link is what makes it ours.
        shutil.rmtree(elsewhere, ignore_errors=True)
        elsewhere.mkdir(mode=0o700)
        os.chown(elsewhere, user.pw_uid, user.pw_gid)
        link.symlink_to(elsewhere)
    return elsewhere


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            refuse_to_start(
                f"Postgres cannot listen on 127.0.0.1:{port}: {error.strerror}. Choose another --port."
            )


def main(
    data: Annotated[Path, typer.Option(help="Folder of the cluster.")],
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 54322,
) -> None:
    """Run Postgres until told to stop."""
    missing = [
        name for name in ("SANDBOX_POSTGRES_PASSWORD", *_PASSWORDS.values()) if not os.environ.get(name)
    ]
    if missing:
        refuse_to_start(f"Postgres needs {' and '.join(missing)} in its environment.")
    _require_free(port)
    cluster = Cluster(data.resolve(), port, os.environ["SANDBOX_POSTGRES_PASSWORD"], Binaries.of_wheel())
    cluster.make()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        cluster.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    cluster.start()
    cluster.bootstrap({role: os.environ[name] for role, name in _PASSWORDS.items()})
    typer.echo(f"Postgres on 127.0.0.1:{port}")
    raise typer.Exit(cluster.wait())


if __name__ == "__main__":
    typer.run(main)
