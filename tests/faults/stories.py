"""One incident each, whose worker, act or client is killed at one point, and its story finished by others."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jwt
import psutil

from dashboard.settings import WorkerSettings
from dashboard.worker.loop import Worker
from sandbox.supabase.keys import anon_key
from tests.faults.dying import LEASE_SECONDS
from tests.faults.points import Point
from tests.flow.case import Case
from tests.flow.handler import Handler
from tests.support.program import ROOT
from tests.support.relay import Relay
from tests.support.until import until

SECONDS = 120


class Workers:
    """A worker that goes on for all stories, and the place of one that dies."""

    def __init__(self, settings: WorkerSettings, log: Path) -> None:
        self._settings = settings
        self.log = log
        self._lock = threading.Lock()
        self._worker: Worker | None = None

    def start(self) -> None:
        self._worker = Worker(self._settings, lease_seconds=LEASE_SECONDS)
        self._worker.start()

    def stop(self) -> None:
        if self._worker is not None:
            self._worker.stop()
            self._worker = None

    @contextmanager
    def replaced_by_one_that_dies(self, point: Point) -> Iterator[None]:
        """What the block makes owed is taken by a worker that dies there; afterwards the other goes on."""
        with self._lock:
            self.stop()
            try:
                yield
                run_until_it_dies(point, self._environment(), self.log)
            finally:
                self.start()

    def _environment(self) -> dict[str, str]:
        settings = self._settings
        slack = settings.slack_webhook_url
        return {
            "KESTRA_URL": settings.kestra_url,
            "KESTRA_USERNAME": settings.kestra_username,
            "KESTRA_PASSWORD": settings.kestra_password.get_secret_value(),
            "SUPABASE_URL": settings.supabase_url,
            "SUPABASE_SERVICE_ROLE_KEY": settings.supabase_service_role_key.get_secret_value(),
            "INCIDENTSCRIBE_SLACK_WEBHOOK_URL": slack.get_secret_value() if slack else "",
        }


def run_until_it_dies(point: Point, environment: dict[str, str], log: Path) -> None:
    """Run `tests.faults.dying`; AssertionError unless SIGKILL ended it."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.dying", str(point)],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            code = process.wait(SECONDS)
        finally:
            process.kill()
            process.wait()
    assert code == -signal.SIGKILL, f"{point}: ended with {code}, see {log}"


class Story:
    """A MEDIUM incident in a service of its own, from submission to the end, killed at `point` on the way."""

    def __init__(self, handler: Handler, workers: Workers, service: Relay, point: Point, secret: str) -> None:
        self.case = Case(handler)
        self.point = point
        self._workers = workers
        self._service = service
        self._secret = secret
        self._run = ""
        relayed = f"{service.url}/services/payment-api"
        self.case.catalogue(url=f"{relayed}/restart", verify={"url": f"{relayed}?case={self.case.service}"})

    def tell(self) -> Story:
        """Live through it; afterwards `case` and the properties say what came of it."""
        self._submit()
        if self.point.phase == "watch":
            with self._workers.replaced_by_one_that_dies(self.point):
                pass
        self.case.reaches("PAUSED")
        if self.point.phase == "kill":
            self._kill()
        elif self.point.phase in ("expiry", "reminder"):
            self._pass_time(1.01 if self.point.phase == "expiry" else 0.6)
        if self.point.phase == "act":
            self._kill_the_act()
        elif self.point.phase not in ("kill", "expiry"):
            self._decide()
        self.case.reaches()
        self._wait_until_nothing_is_owed()
        return self

    # Its parts ----------------------------------------------------------------------------------------------

    def _submit(self) -> None:
        payload = self.case.payload("MEDIUM")
        if self.point.phase == "start":
            with self._workers.replaced_by_one_that_dies(self.point):
                submitted = self._file(payload)
        elif (self.point.phase, self.point.call) == ("client", "submit_incident"):
            self._die_as(self.case.desk.rita.id, {"payload": payload})
            # Whoever got no answer sends it again.
            submitted = self._file(payload)
        else:
            submitted = self._file(payload)
        self._run = str(submitted["run_id"])
        self.case.started(submitted)

    def _file(self, payload: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = self.case.desk.by(self.case.desk.rita, "submit_incident", payload=payload)
        if not answer.get("run_id"):
            # It had arrived: the answer names the incident that it joined.
            query = "select id from outbox where kind = 'start_run' and incident_id = %s"
            answer["run_id"] = self.case.desk.row(query, answer["incident_id"])["id"]
        return answer

    def _decide(self) -> None:
        approval, desk = self.case.approval, self.case.desk
        if self.point.phase in ("decision", "notice"):
            with self._workers.replaced_by_one_that_dies(self.point):
                desk.decide(desk.ana, approval)
        elif (self.point.phase, self.point.call) == ("client", "decide_approval"):
            self._die_as(
                desk.ana.id,
                {
                    "approval_id": str(approval["id"]),
                    "decision": "approved",
                    "reason": "because",
                    "content_hash": approval["content_hash"],
                },
            )
            if self.case.approval["status"] == "pending":
                desk.decide(desk.ana, approval)
        else:
            desk.decide(desk.ana, approval)

    def _kill(self) -> None:
        desk = self.case.desk
        with self._workers.replaced_by_one_that_dies(self.point):
            desk.by(
                desk.rita, "request_command", kind="kill", id=str(self.case.row["id"]), reason="Not needed."
            )

    def _pass_time(self, part: float) -> None:
        """So much of the time to decide is over at once."""
        with self._workers.replaced_by_one_that_dies(self.point), self.case.desk._owner() as owner:
            owner.execute(
                "update approvals set created_at = created_at - (deadline_at - created_at) * %s,"
                " deadline_at = deadline_at - (deadline_at - created_at) * %s where id = %s",
                [part, part, self.case.approval["id"]],
            )

    def _kill_the_act(self) -> None:
        """Killed while its call is held; that then never arrives, or arrives and its answer finds nobody."""
        how = "hold_and_drop" if self.point.when == "before" else "hold"
        if self.point.call in ("begin_action", "finish_action"):
            outage = self.case.supabase(f"rpc/{self.point.call}", how=how)
        else:
            path = "/restart" if self.point.call == "request" else "/payment-api"
            outage = self._service.down(path, self.case.service, how=how)
        times = outage.times
        self._decide()
        until(lambda: outage.times < times, f"the act is at {self.point}", SECONDS)
        until(self._script, "the act has a process", SECONDS).kill()
        outage.over()

    def _script(self) -> psutil.Process | None:
        """The process of the act of this execution."""
        for process in psutil.process_iter():
            try:
                if (
                    "python" in process.name()
                    and process.environ().get("EXECUTION_ID") == self.case.execution
                ):
                    return process
            except psutil.Error:
                continue
        return None

    def _die_as(self, person_id: str, arguments: dict[str, Any]) -> None:
        """Make the client's call as a person, in a process that dies at the point."""
        claims = {"sub": person_id, "role": "authenticated", "exp": int(time.time()) + 600}
        run_until_it_dies(
            self.point,
            {
                "SUPABASE_URL": self.case.handler.worker_settings.supabase_url,
                "SUPABASE_ANON_KEY": anon_key(self._secret),
                "PERSON_TOKEN": jwt.encode(claims, self._secret, algorithm="HS256"),
                "ARGUMENTS": json.dumps(arguments),
            },
            self._workers.log,
        )

    def _wait_until_nothing_is_owed(self) -> None:
        query = "select id from outbox where incident_id = %s and status = 'owed'"
        until(
            lambda: not self.case.desk.rows(query, self.case.incident["id"]),
            f"{self.point}: nothing is owed",
            SECONDS,
        )

    # What came of it ----------------------------------------------------------------------------------------

    @property
    def begun(self) -> int:
        return len(self.case.actions)

    @property
    def outcome(self) -> str | None:
        outcome: str | None = self.case.approval["outcome"]
        return outcome
