"""Two desks and two workers on one Supabase and one Kestra, behind a balancer: one desk to its users."""

import json
import os
import re
import signal
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect
from websockets.sync.connection import Connection

from tests.support.balancer import Balancer, balancer
from tests.support.desk_process import start_program
from tests.support.postgres import free_port
from tests.support.sandbox import RunningSandbox
from tests.support.until import until

pytestmark = pytest.mark.engine

SECONDS = 120


class Part:
    """One desk or worker: `incidentscribe` with these arguments, until it is stopped."""

    def __init__(self, arguments: list[str], environment: dict[str, str], log: Path) -> None:
        self._arguments = arguments
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self.log = log
        self.port = int(environment.get("INCIDENTSCRIBE_PORT", 0))

    def start(self) -> None:
        self._process = start_program(self._arguments, self._environment, self.log)
        until(self._is_up, f"{' '.join(self._arguments)} is up (log: {self.log})", SECONDS)

    def _is_up(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()[-3000:]
        if not self.port:
            # One line for each start.
            return self.log.read_text().count(" started") > self._starts
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/healthz", timeout=2).status_code == 200
        except httpx.TransportError:
            return False

    _starts = 0

    def stop(self) -> None:
        """As a deployment does: SIGTERM, and time to finish what has begun."""
        if self._process is None:
            return
        self._process.terminate()
        assert self._process.wait(30) in (0, -signal.SIGTERM), self.log.read_text()[-3000:]
        self._process = None
        self._starts = self.log.read_text().count(" started")


class Page:
    """What an open page hears on its socket."""

    def __init__(self, socket: Connection) -> None:
        self._socket = socket
        self._version = self._next(SECONDS)

    def _next(self, seconds: float) -> Any:
        return json.loads(self._socket.recv(timeout=seconds))["version"]

    def is_told(self) -> None:
        """Waits for news."""
        version = self._version
        while version == self._version:
            self._version = self._next(SECONDS)

    def until_quiet(self) -> None:
        """Reads what is on its way, until nothing comes for three seconds."""
        with suppress(TimeoutError):
            while True:
                self._version = self._next(3)


class Many:
    """What people and a test see of the installation."""

    def __init__(
        self, sandbox: RunningSandbox, desks: list[Part], workers: list[Part], front: Balancer
    ) -> None:
        self.sandbox = sandbox
        self.desks = desks
        self.workers = workers
        self.front = front
        # A connection for every request, so that they go to both desks by turns.
        self.http = httpx.Client(
            base_url=front.url,
            timeout=30,
            trust_env=False,
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    def sign_in(self, role: str) -> None:
        page = self.http.get("/login").text
        token = re.search(r'action="/login".*?name="form_token" value="(\w+)"', page, re.DOTALL)
        assert token
        account = self.sandbox.account(role)
        fields = {
            "form_token": token[1],
            "next": "/",
            "email": account["email"],
            "password": account["password"],
        }
        answer = self.http.post("/login", data=fields, headers={"Origin": self.front.url})
        assert answer.status_code == 303, answer.text

    def page(self) -> int:
        return self.http.get("/").status_code

    def organization(self) -> str:
        found: Any = self.sandbox.client("responder").table("organizations").select("id").execute().data
        return str(found[0]["id"])

    @contextmanager
    def watching(self) -> Iterator["Page"]:
        """An open page, at the desk whose turn it is."""
        cookies = "; ".join(f"{name}={value}" for name, value in self.http.cookies.items())
        address = f"{self.front.url.replace('http', 'ws', 1)}/live?topic=organization:{self.organization()}"
        headers = {"Origin": self.front.url, "Cookie": cookies}
        with connect(address, additional_headers=headers, proxy=None) as socket:
            yield Page(socket)

    def submit(self, severity: str) -> dict[str, Any]:
        payload = {
            "service": "payment-api",
            "severity": severity,
            "title": f"High error rate {uuid.uuid4()}",
            "logs": ["ERROR connection pool exhausted"] * 5,
        }
        answer: dict[str, Any] = self._rpc("responder", "submit_incident", {"payload": payload})
        return answer

    def decide(self, approval: dict[str, Any]) -> None:
        arguments = {
            "approval_id": approval["id"],
            "decision": "approved",
            "reason": "Tried",
            "content_hash": approval["content_hash"],
        }
        self._rpc("approver", "decide_approval", arguments)

    def _rpc(self, role: str, name: str, arguments: dict[str, Any]) -> Any:
        return self.sandbox.client(role).rpc(name, arguments).execute().data

    def rows(self, table: str, incident_id: str) -> list[dict[str, Any]]:
        """Past row level security, as the outbox is shown to nobody."""
        service = self.sandbox.endpoints["supabase"]["service_role_key"]
        answer = httpx.get(
            f"{self.sandbox.urls['supabase']}/rest/v1/{table}",
            params={"select": "*", "incident_id": f"eq.{incident_id}"},
            headers={"apikey": service, "Authorization": f"Bearer {service}"},
            timeout=15,
        )
        answer.raise_for_status()
        rows: list[dict[str, Any]] = answer.json()
        return rows

    def ended(self, submitted: dict[str, Any]) -> bool:
        owners = [row for row in self.rows("executions", submitted["incident_id"]) if row["owns"]]
        assert len(owners) <= 1
        return bool(owners) and owners[0]["ended_at"] is not None


@contextmanager
def only_these(sandbox: RunningSandbox) -> Iterator[None]:
    """The sandbox's own desk, and the worker in it, stand still meanwhile."""
    pid = sandbox.desk_process()
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.fixture(scope="module")
def many(sandbox: RunningSandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Many]:
    folder = tmp_path_factory.mktemp("many")
    kestra, supabase = sandbox.endpoints["kestra"], sandbox.endpoints["supabase"]
    shared = {
        "KESTRA_URL": kestra["url"],
        "KESTRA_USERNAME": kestra["username"],
        "KESTRA_PASSWORD": kestra["password"],
        "SUPABASE_URL": supabase["url"],
        "SUPABASE_ANON_KEY": supabase["anon_key"],
        "INCIDENTSCRIBE_SANDBOX_FILE": str(folder / "none.json"),
    }
    key = {"SUPABASE_SERVICE_ROLE_KEY": supabase["service_role_key"]}
    desks = [
        Part(
            ["serve", "--no-worker"],
            shared | {"INCIDENTSCRIBE_PORT": str(free_port())},
            folder / f"desk-{n}.log",
        )
        for n in range(2)
    ]
    workers = [Part(["worker"], shared | key, folder / f"worker-{n}.log") for n in range(2)]
    with ExitStack() as running:
        running.enter_context(only_these(sandbox))
        for part in (*desks, *workers):
            running.callback(part.stop)
            part.start()
        front = running.enter_context(balancer([desk.port for desk in desks]))
        made = Many(sandbox, desks, workers, front)
        running.callback(made.http.close)
        yield made


def test_who_signs_in_at_one_is_known_to_both_and_a_decision_reaches_pages_of_both_and_kestra_once(
    many: Many,
) -> None:
    many.sign_in("responder")
    before = many.front.taken.copy()
    assert [many.page() for _ in range(4)] == [200] * 4
    assert all(many.front.taken[desk.port] - before[desk.port] == 2 for desk in many.desks)

    with many.watching() as first, many.watching() as second:
        submitted = many.submit("MEDIUM")
        for page in (first, second):
            page.is_told()

        def waiting() -> dict[str, Any] | None:
            found = many.rows("approvals", submitted["incident_id"])
            return found[0] if found and found[0]["status"] == "pending" else None

        approval = until(waiting, "an approval waits", SECONDS)
        for page in (first, second):
            page.until_quiet()
        many.decide(approval)
        for page in (first, second):
            page.is_told()
    until(lambda: many.ended(submitted), "the run has ended", SECONDS)
    [approval] = many.rows("approvals", submitted["incident_id"])
    assert approval["delivered_at"] is not None
    deliveries = [
        row for row in many.rows("outbox", submitted["incident_id"]) if row["kind"] == "deliver_decision"
    ]
    assert [row["status"] for row in deliveries] == ["done"]
    assert len(many.rows("action_runs", submitted["incident_id"])) == 1
    assert len(many.rows("executions", submitted["incident_id"])) == 1


def test_a_rolling_restart_of_all_of_them_loses_nothing(many: Many) -> None:
    submitted = []
    for part in (*many.desks, *many.workers):
        submitted.append(many.submit("HIGH"))
        part.stop()
        # The others serve: same session, and what is submitted now is taken.
        assert many.page() == 200
        if part in many.workers:
            submitted.append(many.submit("CRITICAL"))
        part.start()
    for each in submitted:
        until(lambda each=each: many.ended(each), "every run has ended", SECONDS)  # type: ignore[misc]
        [execution] = many.rows("executions", each["incident_id"])
        assert execution["state"] == "SUCCESS"
        assert len(many.rows("ai_analyses", each["incident_id"])) == 1
    assert [many.page() for _ in many.desks] == [200, 200]
