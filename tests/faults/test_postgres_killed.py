"""Postgres is killed with -9 under load: what was answered is there, and everything recovers by itself."""

import re
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any, NamedTuple

import httpx
import pytest
from postgrest import APIError
from supabase import Client, ClientOptions, create_client

from dashboard.worker.loop import LEASE_SECONDS
from tests.smoke import Story, incident
from tests.support.outage import kill_postgres, parts
from tests.support.sandbox import RunningSandbox
from tests.support.until import until

pytestmark = pytest.mark.engine

SUBMITTERS = 4
REPORTS_PER_INCIDENT = 8
PAUSE_SECONDS = 0.1
ENOUGH = 12  # answered reports before the kill, and again after it
# Titles that differ only in numbers are one incident.
LETTERS = str.maketrans("0123456789", "ghijklmnop")
# Connection refused, cut off in the middle, ended by the server, or still recovering.
OUTAGE = {"PGRST000", "PGRST001", "57P01", "57P02", "57P03"}


class Answered(NamedTuple):
    """A report that was answered with success: `began` and `ended` by the monotonic clock."""

    report: str
    incident_id: str
    began: float
    ended: float


class Load:
    """Threads that go on reporting, each as the responder with a client of their own, until `stop`.

    Every report has a name of its own, so that it can be found again: the first one of an incident in the
    incident, the others in its `seen_again` events.
    """

    def __init__(self, sandbox: RunningSandbox, mark: str) -> None:
        self.answered: list[Answered] = []
        self.refused: Counter[str] = Counter()
        self._sandbox = sandbox
        self._mark = mark
        self._token = sandbox.client("responder").auth.get_session().access_token  # type: ignore[union-attr]
        self._stop = Event()
        self._pool = ThreadPoolExecutor(SUBMITTERS, thread_name_prefix="submitter")
        self._threads = [self._pool.submit(self._submit, number) for number in range(SUBMITTERS)]

    def stop(self) -> None:
        """Ends the load; raises what a thread did not expect."""
        self._stop.set()
        self._pool.shutdown()
        for thread in self._threads:
            thread.result()

    def has_answered(self, count: int, since: float = 0.0) -> bool:
        """Whether so many reports were answered that began after `since`."""
        assert not any(thread.done() for thread in self._threads), "a submitter ended before its time"
        return sum(each.began > since for each in self.answered) >= count

    def _client(self, http: httpx.Client) -> Client:
        supabase = self._sandbox.endpoints["supabase"]
        options = ClientOptions(
            headers={"Authorization": f"Bearer {self._token}"},
            auto_refresh_token=False,
            persist_session=False,
            httpx_client=http,
        )
        return create_client(supabase["url"], supabase["anon_key"], options)

    def _submit(self, thread: int) -> None:
        with httpx.Client(timeout=15) as http:
            client, number = self._client(http), 0
            while not self._stop.wait(PAUSE_SECONDS):
                report = f"{self._mark}-{thread}-{number}"
                which = f"{thread} {number // REPORTS_PER_INCIDENT}".translate(LETTERS)
                title = f"Load {self._mark} {which}"
                payload = incident("search-api", "HIGH", title) | {"context": {"report": report}}
                number += 1
                began = time.monotonic()
                try:
                    answer: Any = client.rpc("submit_incident", {"payload": payload}).execute().data
                except APIError as error:
                    self.refused[str(error.code)] += 1
                except httpx.TransportError as error:
                    self.refused[type(error).__name__] += 1
                else:
                    self.answered.append(Answered(report, answer["incident_id"], began, time.monotonic()))


class Desk:
    """A signed-in browser, as far as HTTP goes."""

    def __init__(self, sandbox: RunningSandbox, http: httpx.Client) -> None:
        self._http, self._url = http, sandbox.urls["desk"]
        form = re.search(r'name="form_token" value="(\w+)"', http.get(f"{self._url}/login").text)
        assert form is not None
        account = sandbox.account("viewer")
        who = {"email": account["email"], "password": account["password"]}
        fields = who | {"form_token": form[1], "next": "/"}
        answer = http.post(f"{self._url}/login", data=fields, headers={"Origin": self._url})
        assert answer.status_code == httpx.codes.SEE_OTHER, answer.text

    def status(self, path: str) -> int:
        return self._http.get(self._url + path).status_code


@pytest.fixture
def desk(sandbox: RunningSandbox) -> Iterator[Desk]:
    with httpx.Client(timeout=15) as http:
        yield Desk(sandbox, http)


def rows(query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = query.execute().data
    return found


def kept(story: Story, mark: str) -> Counter[str]:
    """How often each report of the load is found in what is stored."""
    incidents = rows(story.vera.table("incidents").select("id, context").like("title", f"Load {mark} %"))
    events = story.vera.table("incident_events").select("detail").eq("kind", "seen_again")
    again = rows(events.in_("incident_id", [row["id"] for row in incidents]))
    found = [row["context"] for row in incidents] + [row["detail"]["payload"]["context"] for row in again]
    return Counter(context["report"] for context in found)


def claimed(story: Story, incidents: set[str]) -> set[str]:
    """Those of the incidents that a run of Kestra has claimed."""
    query = story.vera.table("executions").select("incident_id").eq("owns", True)
    return {row["incident_id"] for row in rows(query.in_("incident_id", sorted(incidents)))}


def test_killed_under_load_no_answered_report_is_lost_and_everything_recovers_by_itself(
    sandbox: RunningSandbox, desk: Desk
) -> None:
    story, mark = Story(sandbox), uuid.uuid4().hex[:8].translate(LETTERS)
    waiting = story.submit(story.rita, incident("payment-api", "MEDIUM", f"Waits through a crash {mark}"))
    approval = story.approval(waiting)
    restarts = sandbox.restarts().get("payment-api", 0)
    before = {pid: command for pid, command in parts(sandbox).items() if "supabase.postgres" not in command}

    assert desk.status("/") == httpx.codes.OK

    load = Load(sandbox, mark)
    try:
        until(lambda: load.has_answered(ENOUGH), "the load runs", every=0.02)
        kill_postgres(sandbox)
        killed = time.monotonic()
        # The desk serves all the while: whom it knows, it lets in.
        until(lambda: sum(load.refused.values()), "the outage is felt", every=0.02)
        assert (desk.status("/healthz"), desk.status("/")) == (200, 200)
        until(lambda: load.has_answered(ENOUGH, since=killed), "reports are taken again", 40)
    finally:
        load.stop()
    recovered = min(each.ended for each in load.answered if each.began > killed)
    until(lambda: "Postgres is back" in sandbox.log.read_text(), "the supervisor says that Postgres is back")

    assert set(load.refused) <= OUTAGE, load.refused
    found = kept(story, mark)
    lost = {each.report for each in load.answered} - set(found)
    assert not lost, f"answered with success and not there: {sorted(lost)}"
    assert set(found.values()) == {1}, "a report was stored twice"

    assert (desk.status("/healthz"), desk.status("/")) == (200, 200)
    now = parts(sandbox)
    assert {pid: now.get(pid) for pid in before} == before, "more than Postgres was started again"

    incidents = {each.incident_id for each in load.answered}
    # What a worker had leased when Postgres died comes back when the lease has run out.
    patience = 2 * LEASE_SECONDS
    until(lambda: claimed(story, incidents) == incidents, "a run has claimed every incident", patience)
    all_claimed = time.monotonic()

    story.decide(story.ana, approval, "approved", "Still right after the crash")
    assert story.ended(waiting)["status"] == "resolved"
    acted = rows(story.vera.table("action_runs").select("status").eq("approval_id", approval["id"]))
    assert [run["status"] for run in acted] == ["acted"]
    assert sandbox.restarts()["payment-api"] == restarts + 1
    sys.stdout.write(
        f"\nPostgres killed with -9: a report was taken again after {recovered - killed:.1f} s."
        f" {len(load.answered)} reports answered, none lost, {dict(load.refused)} refused."
        f" All {len(incidents)} incidents claimed {all_claimed - killed:.1f} s after the kill.\n"
    )
