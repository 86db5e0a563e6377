"""The sandbox's Kestra for tests, started by its own command."""

import os
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from sandbox.processes import die_with_parent
from tests.support.postgres import ROOT, free_port
from tests.support.until import until

_FIRST_START_SECONDS = 300  # on a new machine the jars have to be downloaded
_ANSWER_SECONDS = 120  # the first flow that a new engine saves loads half of its classes
TERMINAL = frozenset({"SUCCESS", "WARNING", "FAILED", "KILLED", "CANCELLED"})


class RunningEngine:
    """One Kestra process; `http` carries its login, `anonymous` does not, both are at its address."""

    def __init__(self, data: Path, port: int, password: str, *more: str) -> None:
        begun = time.monotonic()
        self.data = data
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.username = "admin@kestra.io"
        self.password = password
        self.log = data.with_name(f"{data.name}.log")
        self.anonymous = httpx.Client(base_url=self.url, timeout=_ANSWER_SECONDS, trust_env=False)
        self.http = httpx.Client(
            base_url=self.url, timeout=_ANSWER_SECONDS, trust_env=False, auth=(self.username, self.password)
        )
        self.process = launch(data, port, password, self.log, *more)
        try:
            until(self._answers, f"Kestra is ready (log: {self.log})", _FIRST_START_SECONDS)
        except BaseException:
            self.process.kill()
            raise
        self.start_seconds = time.monotonic() - begun

    def _answers(self) -> bool:
        code = self.process.poll()
        assert code is None, f"Kestra ended with {code}: {self.log.read_text()[-3000:]}"
        try:
            return self.anonymous.get("/api/v1/configs").status_code == 200
        except httpx.TransportError:
            return False

    def stop(self, how: signal.Signals = signal.SIGTERM) -> float:
        """Ends the process; the seconds it took."""
        begun = time.monotonic()
        self.process.send_signal(how)
        self.process.wait(15)
        seconds = time.monotonic() - begun
        self.http.close()
        self.anonymous.close()
        return seconds

    def save_flow(self, source: str) -> None:
        """Creates or updates a flow."""
        headers = {"Content-Type": "application/x-yaml"}
        answer = self.http.post("/api/v1/main/flows", content=source, headers=headers)
        if answer.status_code == 422 and "already exists" in answer.text:
            words = dict(line.split(": ", 1) for line in source.splitlines()[:2])
            path = f"/api/v1/main/flows/{words['namespace']}/{words['id']}"
            answer = self.http.put(path, content=source, headers=headers)
        assert answer.status_code == 200, answer.text

    def execution(self, execution_id: str) -> dict[str, Any]:
        answer = self.http.get(f"/api/v1/main/executions/{execution_id}")
        assert answer.status_code == 200, answer.text
        shown: dict[str, Any] = answer.json()
        return shown

    def wait_for(self, execution_id: str, *states: str, seconds: float = 30) -> dict[str, Any]:
        """The execution once it is in one of the states; fails at once if it ended in another."""

        def look() -> dict[str, Any] | None:
            found = self.execution(execution_id)
            state = found["state"]["current"]
            if state in states:
                return found
            assert state not in TERMINAL, f"{execution_id} ended {state}, not {' or '.join(states)}"
            return None

        return until(look, f"{execution_id} is {' or '.join(states)}", seconds, every=0.05)


def launch(data: Path, port: int, password: str, log: Path, *more: str) -> "subprocess.Popen[bytes]":
    """The bare process, with `more` arguments; its log is added to."""
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "sandbox.kestra", "--data", str(data), "--port", str(port), *more],
            cwd=ROOT,
            env=os.environ | {"KESTRA_PASSWORD": password},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=die_with_parent(),
        )


def start_engine(
    data: Path, port: int | None = None, password: str | None = None, *more: str
) -> RunningEngine:
    """A Kestra that answers; on a free port and with a new password unless they are given."""
    return RunningEngine(data, port or free_port(), password or f"Aa1-{secrets.token_hex(8)}", *more)
