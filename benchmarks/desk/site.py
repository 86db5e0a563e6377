"""What the benchmarks have to do with: a sandbox, its people, and a Chromium."""

from __future__ import annotations

import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page, async_playwright

from dashboard.domain.severity import Severity
from dashboard.kestra_api.client import KestraApi
from dashboard.samples import SAMPLES
from dashboard.settings import KestraSettings, WebSettings
from dashboard.web import cookies
from dashboard.web.sessions import DeskSessions
from tests.support.sandbox import RunningSandbox
from tests.support.until import until

FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
_SESSIONS_PER_PERSON = 3


def chromium() -> str:
    """Where it is. Raises SystemExit with a sentence."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        raise SystemExit("There is no Chromium on this machine; the desk cannot be measured without one.")
    return path


class Site:
    """A running sandbox and who visits it."""

    def __init__(self, sandbox: RunningSandbox, browser: Browser) -> None:
        self.sandbox = sandbox
        self.desk = sandbox.urls["desk"]
        self._browser = browser
        endpoints = sandbox.endpoints
        self.kestra = KestraApi(
            KestraSettings.load(
                kestra_url=endpoints["kestra"]["url"],
                kestra_username=endpoints["kestra"]["username"],
                kestra_password=endpoints["kestra"]["password"],
            )
        )
        sessions = DeskSessions(
            WebSettings.load(
                supabase_url=endpoints["supabase"]["url"],
                supabase_anon_key=endpoints["supabase"]["anon_key"],
                kestra_password="-",
            )
        )
        people = endpoints["accounts"]
        self._cookies = [
            sessions.open(person["email"], person["password"])
            for person in people
            for _ in range(_SESSIONS_PER_PERSON)
        ]

    def cookie(self, number: int) -> str:
        """The session of one of several browsers, each of which may look from many tabs."""
        return self._cookies[number % len(self._cookies)]

    def desk_log(self) -> str:
        return (Path(self.sandbox.folder) / "logs" / "desk.log").read_text(errors="replace")

    @asynccontextmanager
    async def tab(self, number: int = 0) -> AsyncIterator[Page]:
        """A tab of a browser of its own, signed in; `number` chooses the session."""
        context = await self._browser.new_context(viewport={"width": 1280, "height": 900})
        context.set_default_timeout(120_000)
        await context.add_cookies(
            [{"name": cookies.SESSION, "value": self.cookie(number), "url": self.desk, "httpOnly": True}]
        )
        try:
            yield await context.new_page()
        finally:
            await context.close()

    def until_it_waits(self) -> tuple[str, dict[str, Any], str]:
        """Submit a MEDIUM incident; its id, the approval and the execution, once the flow waits."""
        sample = next(sample for sample in SAMPLES if sample.severity is Severity.MEDIUM)
        payload = sample.to_payload(f"bench-{time.time_ns():x}")
        answer: Any = self.sandbox.client("responder").rpc("submit_incident", {"payload": payload}).execute()
        incident = str(answer.data["incident_id"])
        client = self.sandbox.client("approver")
        pending = client.table("approvals").select("*").eq("incident_id", incident).eq("status", "pending")
        waiting: Any = until(lambda: pending.execute().data, "the flow waits for a decision", 180)
        query = client.table("executions").select("kestra_execution_id").eq("incident_id", incident)
        rows: Any = query.execute().data
        execution = str(rows[0]["kestra_execution_id"])
        until(lambda: self.kestra.get_execution(execution).is_paused, "Kestra pauses", 60)
        return incident, waiting[0], execution

    def approve(self, approval: dict[str, Any]) -> None:
        """As the approver of the demo."""
        decision = {
            "approval_id": approval["id"],
            "decision": "approved",
            "reason": "Measured.",
            "content_hash": approval["content_hash"],
        }
        self.sandbox.client("approver").rpc("decide_approval", decision).execute()


@asynccontextmanager
async def opened(sandbox: RunningSandbox) -> AsyncIterator[Site]:
    """The site with a Chromium in front of it."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=list(FLAGS))
        try:
            yield Site(sandbox, browser)
        finally:
            await browser.close()
