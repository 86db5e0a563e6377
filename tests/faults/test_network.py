"""A network that delays, cuts, doubles and drips, on every leg at once: nothing is lost or done twice.

Legs: desk and Supabase, worker and Supabase, worker and Kestra, flow and Supabase, desk and Kestra's stream.
Two workers are at work. `make test` tells a few stories under one seed, `make faults` (FAULTS=all) many under
several; SEEDS=4,5 names others.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import httpx
import pytest

from dashboard.domain.approval import Decision
from dashboard.domain.incident import IncidentPayload
from dashboard.domain.powers import Command
from dashboard.kestra_api.client import KestraApi
from dashboard.kestra_api.followers import Followers
from dashboard.kestra_api.observation import Snapshot
from dashboard.store import approvals, cases, incidents
from dashboard.store.connection import new_http_client
from dashboard.worker.loop import Worker
from tests.faults.people import client_of, press
from tests.flow.case import Case
from tests.flow.handler import Handler, Json
from tests.flow.parts import JWT_SECRET
from tests.support.relay import Relay, relay
from tests.support.until import until
from tests.support.weather import Weather

pytestmark = pytest.mark.engine

_ALL = os.environ.get("FAULTS") == "all"
SEEDS = [int(seed) for seed in os.environ.get("SEEDS", "1,2,3" if _ALL else "1").split(",")]
KINDS = ("approve", "reject", "withdraw", "edit", "low", "kill")
OF_EACH = 4 if _ALL else 1
AT_ONCE = 6
SECONDS = 180
# Shorter than some attempts will take: the other worker then has the row too.
LEASE_SECONDS = 4
# What approvals of a story can end as; a withdrawal may come too late.
ENDINGS: dict[str, list[list[str]]] = {
    "approve": [["approved"]],
    "reject": [["rejected"]],
    "withdraw": [["cancelled", "approved"], ["approved"]],
    "edit": [["cancelled", "approved"]],
    "low": [[]],
    "kill": [["cancelled"]],
}


@dataclass
class Network:
    """The five legs; the desk's people and its followers go through it."""

    handler: Handler
    desk: Relay
    worker: Relay
    kestra: Relay
    streams: Relay
    http: httpx.Client
    followers: Followers
    weathers: list[Weather]

    def person(self, name: str) -> Any:
        person = getattr(self.handler.desk, name)
        return client_of(person, self.desk.url, JWT_SECRET, self.http)


@dataclass
class Told:
    """A story from its submission to its end, and what can be counted of it afterwards."""

    network: Network
    kind: str
    case: Case
    seen: list[Snapshot] = field(default_factory=list)

    def tell(self) -> Told:
        case, kind = self.case, self.kind
        # An edit wants another number of instances than the others.
        program = "checkout-web" if kind == "edit" else "payment-api"
        case.catalogue(program=program, auto_remediate=kind == "low")
        self._submit("LOW" if kind == "low" else "MEDIUM")
        followed = self.network.followers.subscribe(case.execution, self.seen.append)
        try:
            if kind != "low":
                until(self._pending, f"{kind}: an approval waits", SECONDS)
                getattr(self, f"_{kind}")()
            case.reaches()
            until(lambda: not self._owed(), f"{kind}: nothing is owed", SECONDS)
            until(self._page_knows_the_end, f"{kind}: who looks on sees the end", SECONDS)
        finally:
            followed.close()
        return self

    # What people do -----------------------------------------------------------------------------------------

    def _submit(self, severity: str) -> None:
        payload = IncidentPayload.model_validate(_form(self.case.payload(severity)))
        rita = self.network.person("rita")
        receipt = press(lambda: incidents.submit_incident(rita, payload))
        assert receipt is not None
        # The answer to a repeated press names the incident that it joined, and no start.
        query = "select id from outbox where kind = 'start_run' and incident_id = %s"
        self.case.started({"run_id": self.case.desk.row(query, receipt.incident_id)["id"]})

    def _decide(self, name: str, decision: Decision) -> None:
        person, approval = self.network.person(name), self._pending()
        assert approval is not None
        text = approval["content_hash"]
        press(lambda: approvals.decide(person, str(approval["id"]), decision, "because", text))

    def _approve(self) -> None:
        self._decide("ana", Decision.APPROVED)

    def _reject(self) -> None:
        self._decide("ana", Decision.REJECTED)

    def _withdraw(self) -> None:
        """Taken back before a worker has looked, if the network lets it be; then somebody else approves."""
        ana = self.network.person("ana")
        outage = self.network.worker.down("rpc/take_outbox", how="hold")
        try:
            approval = self._pending()
            assert approval is not None
            self._decide("ana", Decision.APPROVED)
            press(lambda: approvals.withdraw(ana, str(approval["id"]), "Read it again."))
        finally:
            outage.over()
        if self._pending() is not None:
            self._decide("ben", Decision.APPROVED)

    def _edit(self) -> None:
        ana, approval = self.network.person("ana"), self._pending()
        assert approval is not None
        text = approval["content_hash"]
        why = {"text": "One more.", "evidence": []}
        changed = [{"action": "restart_service", "parameters": {"instances": 3}, "reason": why}]
        press(lambda: approvals.edit(ana, str(approval["id"]), changed, "Three are needed.", text))
        self._decide("ben", Decision.APPROVED)

    def _kill(self) -> None:
        rita, execution = self.network.person("rita"), str(self.case.row["id"])
        press(lambda: cases.request(rita, Command.KILL, execution, "Not needed."))

    # What came of it ----------------------------------------------------------------------------------------

    @property
    def approvals(self) -> list[Json]:
        """Oldest first."""
        query = "select * from approvals where incident_id = %s order by created_at"
        return self.case.desk.rows(query, self.case.incident["id"])

    def _pending(self) -> Json | None:
        found = [row for row in self.approvals if row["status"] == "pending"]
        assert len(found) <= 1, f"{self.kind}: {len(found)} approvals wait at once"
        return found[0] if found else None

    def _owed(self) -> list[Json]:
        query = "select kind from outbox where incident_id = %s and status = 'owed'"
        return self.case.desk.rows(query, self.case.incident["id"])

    def _page_knows_the_end(self) -> bool:
        newest = self.network.followers.watch(self.case.execution).execution
        return newest is not None and newest.is_terminal

    @property
    def decisions(self) -> list[Json]:
        """Those that stand."""
        return [row for row in self.approvals if row["status"] in ("approved", "rejected")]

    @property
    def wanted_effects(self) -> int:
        return 1 if self.kind == "low" else sum(row["status"] == "approved" for row in self.approvals)

    @property
    def steps_back(self) -> int:
        """How often the page was shown less than it had been shown before."""
        lengths = [len(seen.execution.history) for seen in self.seen if seen.execution]
        return sum(later < earlier for earlier, later in pairwise(lengths))


def _form(payload: Json) -> Json:
    """What the desk's form hands in."""
    return {name: value for name, value in payload.items() if name in IncidentPayload.model_fields}


@pytest.fixture(scope="module", params=SEEDS, ids=lambda seed: f"seed {seed}")
def told(handler: Handler, request: pytest.FixtureRequest) -> Iterator[tuple[Network, list[Told]]]:
    """All stories of a seed at the same time, told to their end."""
    seed: int = request.param
    settings = handler.worker_settings
    with ExitStack() as running:
        supabase, kestra = settings.supabase_url, settings.kestra_url
        desk, worker = (running.enter_context(relay(supabase)) for _ in range(2))
        calls, streams = (running.enter_context(relay(kestra)) for _ in range(2))
        legs = {
            "desk to Supabase": desk,
            "worker to Supabase": worker,
            "worker to Kestra": calls,
            "flow to Supabase": handler.relay,
            "desk to Kestra's stream": streams,
        }
        api = KestraApi(settings.model_copy(update={"kestra_url": streams.url}))
        followers = Followers(api)
        running.callback(api.close)
        running.callback(followers.close)
        http = running.enter_context(new_http_client())
        weathers = [Weather(seed, leg) for leg in legs]
        network = Network(handler, desk, worker, calls, streams, http, followers, weathers)
        through = settings.model_copy(update={"supabase_url": worker.url, "kestra_url": calls.url})
        workers = [Worker(through, lease_seconds=LEASE_SECONDS) for _ in range(2)]
        for each in workers:
            each.start()
            running.callback(each.stop)
        for leg, weather in zip(legs.values(), weathers, strict=True):
            leg.weather = weather
            running.callback(setattr, leg, "weather", None)
        pool = running.enter_context(ThreadPoolExecutor(AT_ONCE))
        stories = [Told(network, kind, Case(handler)) for _ in range(OF_EACH) for kind in KINDS]
        yield network, list(pool.map(Told.tell, stories))


def test_every_story_ends_as_on_a_good_network(told: tuple[Network, list[Told]]) -> None:
    for story in told[1]:
        case, kind = story.case, story.kind
        assert (case.incidents, case.owners) == (1, 1), kind
        assert [row["status"] for row in story.approvals] in ENDINGS[kind], kind
        assert case.row["state"] == ("KILLED" if kind == "kill" else "SUCCESS"), kind
        came_of_it = f"{kind}: {case.incident['status']} {[row['status'] for row in case.actions]} {case.why}"
        assert case.effects == story.wanted_effects, came_of_it
        assert (case.incident["status"] == "resolved") is bool(story.wanted_effects), came_of_it
        assert story.steps_back == 0, kind


def test_the_sums_are_right(
    told: tuple[Network, list[Told]], request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    network, stories = told
    decisions = [row for story in stories for row in story.decisions]
    approved = [row for row in decisions if row["status"] == "approved"]
    delivered = [row for row in decisions if row["delivered_at"]]
    ended = [story for story in stories if story.case.row["ended_at"]]
    acted = [story for story in stories if story.case.actions]
    by_rule = [story for story in acted if story.kind == "low"]
    lost = [row for row in approved if row["outcome"] != "acted"]
    doubled = [story for story in stories if story.case.effects > story.wanted_effects]
    with capsys.disabled():
        sys.stdout.write(f"\n{request.node.callspec.id}: {len(stories)} stories\n")
        for weather in network.weathers:
            sys.stdout.write(f"  {weather}\n")
        sys.stdout.write(
            f"  decisions {len(decisions)}, deliveries {len(delivered)}, approvals {len(approved)},"
            f" executions that acted {len(acted)} (of them {len(by_rule)} LOW by rule), withdrawn"
            f" {sum(story.kind == 'withdraw' and len(story.approvals) == 2 for story in stories)},"
            f" lost {len(lost) + len(stories) - len(ended)}, doubled {len(doubled)}\n"
        )
    assert len(delivered) == len(decisions)
    assert len(acted) - len(by_rule) == len(approved)
    assert (lost, doubled, len(ended)) == ([], [], len(stories))


def test_the_network_was_bad(told: tuple[Network, list[Told]]) -> None:
    """On every leg, and in every way."""
    weathers = told[0].weathers
    met = sum((weather.met for weather in weathers), Counter[str]())
    assert set(met) == {"delay", "drop", "lost", "twice", "drip"}
    assert all(weather.met for weather in weathers), [str(weather) for weather in weathers]
