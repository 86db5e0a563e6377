"""Taking Postgres away from a running sandbox."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.sandbox import RunningSandbox
from tests.support.until import until


def kill_postgres(sandbox: RunningSandbox) -> None:
    """SIGKILL to the server itself; its launcher and its backends find out by themselves."""
    lock = sandbox.folder / "postgres" / "cluster" / "postmaster.pid"
    server = Path("/proc") / lock.read_text().splitlines()[0]
    assert (server / "comm").read_text() == "postgres\n"
    os.kill(int(server.name), signal.SIGKILL)
    until(lambda: not server.exists(), "Postgres is dead", every=0.01)


@contextmanager
def without_postgres(sandbox: RunningSandbox) -> Iterator[None]:
    """Postgres is killed, and comes back after the block: so long its supervisor is held."""
    os.kill(sandbox.process.pid, signal.SIGSTOP)
    try:
        kill_postgres(sandbox)
        yield
    finally:
        os.kill(sandbox.process.pid, signal.SIGCONT)


def parts(sandbox: RunningSandbox) -> dict[int, str]:
    """The processes that the supervisor started, by id, with their command lines."""
    supervisor = sandbox.process.pid
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    return {
        int(child): Path(f"/proc/{child}/cmdline").read_text().replace("\0", " ").strip()
        for child in children
    }
