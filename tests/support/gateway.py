"""The sandbox's gateway for tests, started by its own command in front of one database."""

import os
import secrets
import signal
import subprocess
import sys
import tempfile
from typing import IO

import httpx
from supabase import Client, ClientOptions, create_client

from sandbox.supabase.keys import anon_key, service_role_key
from tests.support.postgres import ROOT, Database, free_port
from tests.support.until import until


class RunningGateway:
    """One gateway process; `client()` is the unmodified client at it."""

    def __init__(self, database: Database, jwt_secret: str, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.jwt_secret = jwt_secret
        self.anon_key = anon_key(jwt_secret)
        self.service_role_key = service_role_key(jwt_secret)
        self.http = httpx.Client(timeout=30)
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "sandbox.supabase.gateway", "--port", str(port)),
                *("--database-port", str(database.port), "--database", database.name),
            ],
            cwd=ROOT,
            env=os.environ | database.passwords | {"SANDBOX_JWT_SECRET": jwt_secret},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        try:
            until(self._listens, "The gateway listens", every=0.02)
        except BaseException:
            self.stop()
            raise

    def _listens(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"The gateway ended with {self.process.returncode}: {self.log()}")
        try:
            self.http.get(f"{self.url}/health")
        except httpx.TransportError:
            return False
        return True

    def log(self) -> str:
        """What it printed so far."""
        self._log.seek(0)
        return self._log.read().decode()

    def client(self, key: str | None = None, token: str | None = None) -> Client:
        """A client with `key` (the anon key if none), as the user of `token` if one is given.

        It shares one HTTP pool with all others and does not retry.
        """
        options = ClientOptions(
            auto_refresh_token=False,
            persist_session=False,
            postgrest_client_retry=False,
            httpx_client=self.http,
            headers={"Authorization": f"Bearer {token}"} if token else {},
        )
        return create_client(self.url, key or self.anon_key, options)

    def stop(self) -> int:
        """SIGTERM; answers the exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(5)
        finally:
            self.process.kill()
            self._log.close()
            self.http.close()
        return code


def start_gateway(
    database: Database, jwt_secret: str | None = None, port: int | None = None
) -> RunningGateway:
    """A gateway in front of `database` that listens; Postgres may be down."""
    return RunningGateway(database, jwt_secret or secrets.token_hex(24), port or free_port())
