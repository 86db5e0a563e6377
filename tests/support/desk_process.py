"""The desk for tests, started by its own command in front of one Supabase, and browsers at it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import httpx

from sandbox.processes import die_with_parent
from tests.support.gateway import RunningGateway
from tests.support.postgres import ROOT, free_port
from tests.support.until import until

COOKIE = "incidentscribe_session"


def start_program(arguments: list[str], environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    """`incidentscribe` with these arguments; it ends with the tests. What it says is added to the log."""
    with log.open("ab") as output:
        return subprocess.Popen(
            [str(Path(sys.executable).with_name("incidentscribe")), *arguments],
            cwd=ROOT,
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=die_with_parent(),
        )


class RunningDesk:
    """`incidentscribe serve --no-worker` on a port of its own; `folder` gets its log."""

    def __init__(self, supabase: RunningGateway, folder: Path) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._environment = {
            "SUPABASE_URL": supabase.url,
            "SUPABASE_ANON_KEY": supabase.anon_key,
            "KESTRA_URL": "http://127.0.0.1:1",
            "KESTRA_PASSWORD": "unused",
            "INCIDENTSCRIBE_PORT": str(port),
            "INCIDENTSCRIBE_SANDBOX_FILE": str(folder / "no-sandbox.json"),
        }
        self._log = folder / f"desk-{port}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; returns at once."""
        self._process = start_program(["serve", "--no-worker"], self._environment, self._log)

    def until_ready(self) -> None:
        """Wait until it serves."""
        until(self._is_ready, f"the desk serves (log: {self._log})")

    def _is_ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"The desk ended: {self._log.read_text()[-3000:]}"
        try:
            return httpx.get(f"{self.url}/healthz", timeout=2, trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    def stop(self) -> None:
        """SIGTERM, and wait for its end; one that was never started is no error."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(15)
        finally:
            self._process.kill()


class Browser:
    """One browser: its cookies go to every desk, as a balancer in front of them would have it."""

    def __init__(self, desk: RunningDesk, cookies: httpx.Cookies | None = None) -> None:
        self.desk = desk
        self.http = httpx.Client(timeout=20, trust_env=False, cookies=cookies)

    @property
    def cookie(self) -> str:
        """What the desk knows this browser by."""
        return self.http.cookies[COOKIE]

    def get(self, path: str = "/", desk: RunningDesk | None = None) -> httpx.Response:
        """A page; redirections are answered, not followed."""
        return self.http.get(f"{(desk or self.desk).url}{path}")

    def post(self, path: str, fields: dict[str, str], origin: str | None = "own") -> httpx.Response:
        """A form, from a page of the desk unless another origin, or none, is named."""
        value = self.desk.url if origin == "own" else origin
        headers = {"Origin": value} if value else {}
        return self.http.post(f"{self.desk.url}{path}", data=fields, headers=headers)

    def upgrade(self, origin: str) -> int:
        """The status that a request for Streamlit's websocket gets; 101 is open."""
        headers = {
            "Origin": origin,
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        }
        with self.http.stream("GET", f"{self.desk.url}/_stcore/stream", headers=headers) as answer:
            return answer.status_code

    def form_token(self, form: str) -> str:
        """The hidden value of the first form of the sign-in page that leads to `/login` or `/logout`."""
        pattern = rf'action="{form}".*?name="form_token" value="(\w+)"'
        found = re.search(pattern, self.get("/login").text, re.DOTALL)
        assert found, f"The sign-in page has no form for {form}."
        return found[1]

    def sign_in(self, email: str, password: str, wanted: str = "/") -> httpx.Response:
        fields = {"form_token": self.form_token("/login"), "next": wanted}
        return self.post("/login", fields | {"email": email, "password": password})

    def sign_out(self, *, everywhere: bool = False, wanted: str = "/") -> httpx.Response:
        fields = {"form_token": self.form_token("/logout"), "next": wanted}
        return self.post("/logout", fields | ({"everywhere": "yes"} if everywhere else {}))

    def is_signed_in(self, desk: RunningDesk | None = None) -> bool:
        """Whether a page is served; everything but the page and the way to sign in is an error."""
        answer = self.get("/", desk)
        assert answer.status_code in (200, 303), answer.text
        return answer.status_code == 200
