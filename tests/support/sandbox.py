"""A whole sandbox with desk, in a folder and on ports of its own."""

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
from supabase import Client, ClientOptions, create_client

from tests.support.until import until

ROOT = Path(__file__).parents[2]


class RunningSandbox:
    """Started by the same command as `make demo`; `endpoints` is the content of endpoints.json."""

    def __init__(self, folder: Path, seconds: float = 120, *options: str) -> None:
        self.folder = folder
        self._clients: list[httpx.Client] = []
        self._signed_in: dict[str, Client] = {}
        self.log = folder.with_name(folder.name + ".log")
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "sandbox", "--data", str(folder)),
                    *("--free-ports", "--no-browser", *options),
                ],
                cwd=ROOT,
                env={name: value for name, value in os.environ.items() if not name.startswith("GEMINI_")},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            until(self._is_up, f"the sandbox is ready (log: {self.log})", seconds)
        except BaseException:
            self.process.terminate()
            self.process.wait(30)
            raise
        self.endpoints: dict[str, Any] = json.loads((folder / "endpoints.json").read_text())

    def _is_up(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(
                f"the sandbox ended with {self.process.returncode}: {self.log.read_text()[-2000:]}"
            )
        return (self.folder / "endpoints.json").exists()

    @property
    def urls(self) -> dict[str, str]:
        return {
            "desk": self.endpoints["desk"],
            **{name: self.endpoints[name]["url"] for name in ("kestra", "supabase", "model", "service")},
        }

    def account(self, role: str) -> dict[str, str]:
        return next(account for account in self.endpoints["accounts"] if account["role"] == role)

    def client(self, role: str) -> Client:
        """The unmodified supabase client, signed in once as the demo account of this role."""
        if role not in self._signed_in:
            supabase = self.endpoints["supabase"]
            http = self._keep(httpx.Client(timeout=15))
            options = ClientOptions(auto_refresh_token=False, persist_session=False, httpx_client=http)
            client = create_client(supabase["url"], supabase["anon_key"], options)
            account = self.account(role)
            client.auth.sign_in_with_password({"email": account["email"], "password": account["password"]})
            self._signed_in[role] = client
        return self._signed_in[role]

    def service_client(self) -> Client:
        """The unmodified supabase client with the service key, as a worker has it."""
        supabase = self.endpoints["supabase"]
        options = ClientOptions(httpx_client=self._keep(httpx.Client(timeout=15)))
        return create_client(supabase["url"], supabase["service_role_key"], options)

    def kestra(self) -> httpx.Client:
        kestra = self.endpoints["kestra"]
        auth = (kestra["username"], kestra["password"])
        return self._keep(httpx.Client(base_url=kestra["url"], auth=auth, timeout=15))

    def _keep(self, client: httpx.Client) -> httpx.Client:
        self._clients.append(client)
        return client

    def restarts(self) -> dict[str, int]:
        """How often the demo service restarted each of its services."""
        answer: dict[str, int] = httpx.get(f"{self.urls['service']}/restarts", timeout=5).json()
        return answer

    def processes(self) -> list[int]:
        """Process ids of everything below the supervisor, itself included."""
        found = [self.process.pid]
        for pid in found:
            with suppress(FileNotFoundError, ProcessLookupError):
                children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
                found += [int(child) for child in children]
        return found

    def desk_process(self) -> int:
        """The process id of the desk, which changes when it was started again."""
        for pid in self.processes():
            if b"incidentscribe\0serve" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return pid
        raise AssertionError("the desk does not run")

    def desk_is_up(self) -> bool:
        """Whether the desk answers."""
        with suppress(httpx.TransportError):
            return httpx.get(f"{self.urls['desk']}/healthz", timeout=2).status_code == 200
        return False

    def stop(self, seconds: float = 15) -> int:
        """Ctrl-C; answers the exit code."""
        for client in self._clients:
            client.close()
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(seconds)
