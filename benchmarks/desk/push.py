"""From the engine's event to the screen, against somebody who reads Kestra's stream directly.

All times are counted from the moment at which the raw reader had the event. The first half of a run (until it
waits for a decision) is preparation; measured is what follows the approval.
"""

from __future__ import annotations

import asyncio
import statistics
import threading
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import psutil
from playwright.async_api import Page

from benchmarks.desk.site import Site
from benchmarks.desk.viewer import Viewer
from dashboard.errors import IncidentScribeError
from dashboard.kestra_api.client import KestraApi
from dashboard.live.headline import headline

# In the page: the first moment of each headline, and of each step or end in the fragment below it.
_RECORD = """() => {
  window.seen = { headline: {}, fragment: {} }
  const now = () => (performance.timeOrigin + performance.now()) / 1000
  const idle = /to come|not taken|not reached/
  const look = () => {
    for (const summary of document.querySelectorAll("[data-testid=stExpander] summary")) {
      const text = summary.textContent
      if (!idle.test(text)) window.seen.fragment[text] ??= now()
    }
    if (document.body.textContent.includes("this is its final state")) window.seen.fragment.end ??= now()
  }
  new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true })
  for (const element of document.querySelectorAll("*")) {
    const line = element.shadowRoot?.querySelector("output")
    if (!line) continue
    const read = () => { window.seen.headline[line.textContent] ??= now() }
    new MutationObserver(read).observe(line, { subtree: true, childList: true, characterData: true })
    read()
  }
}"""


@dataclass
class Lags:
    """Milliseconds behind the raw reader; `missed` were overtaken by a later event before they were shown."""

    headline: list[float] = field(default_factory=list)
    fragment: list[float] = field(default_factory=list)
    missed: int = 0

    def add(self, other: Lags) -> None:
        self.headline += other.headline
        self.fragment += other.fragment
        self.missed += other.missed


@dataclass
class Figures:
    """Of one number of viewers."""

    viewers: int
    tab: Lags
    others: Lags
    events: int
    cpu_percent: float
    runs: int
    problems: list[str]


class RawReader(threading.Thread):
    """Follows one execution with the client's own stream; `first` has the first moment of each headline."""

    def __init__(self, api: KestraApi, execution_id: str) -> None:
        super().__init__(daemon=True)
        self._api = api
        self._execution_id = execution_id
        self.first: dict[str, float] = {}
        self.opened = threading.Event()
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.is_set():
            try:
                for frame in self._api.follow(self._execution_id):
                    if frame.execution is not None:
                        self.first.setdefault(headline(frame.execution), time.time())
                        self.opened.set()
                    if frame.kind == "end":
                        self.ended.set()
            except IncidentScribeError:
                continue  # silence, as in every pause


async def measure(site: Site, viewers: int, rounds: int) -> Figures:
    """`rounds` incidents, each looked at by one tab and `viewers - 1` clients of Streamlit's protocol."""
    figures = Figures(viewers, Lags(), Lags(), 0, 0.0, 0, [])
    shares = []
    for _ in range(rounds):
        incident, approval, execution = await asyncio.to_thread(site.until_it_waits)
        async with AsyncExitStack() as stack:
            tab = await stack.enter_async_context(site.tab())
            await tab.goto(f"{site.desk}/incident?id={incident}")
            await tab.locator("output", has_text="Waiting for a decision").first.wait_for()
            crowd = []
            for number in range(viewers - 1):
                viewer = Viewer(site.desk, site.cookie(number), "incident", f"id={incident}")
                crowd.append(await stack.enter_async_context(viewer))
                await viewer.until_listening("execution")
            reader = RawReader(site.kestra, execution)
            reader.start()
            await asyncio.to_thread(reader.opened.wait, 60)
            await asyncio.sleep(2)  # the pages' first runs are over
            await tab.evaluate(_RECORD)
            before = set(reader.first)
            desk = psutil.Process(site.sandbox.desk_process())
            began, cpu = time.monotonic(), sum(desk.cpu_times()[:2])
            runs = sum(viewer.runs for viewer in crowd)
            await asyncio.to_thread(site.approve, approval)
            await asyncio.to_thread(reader.ended.wait, 180)
            await asyncio.sleep(5)  # what is slow has its chance
            shares.append((sum(desk.cpu_times()[:2]) - cpu) / (time.monotonic() - began) * 100)
            events = {line: at for line, at in reader.first.items() if line not in before}
            figures.events += len(events)
            figures.runs += sum(viewer.runs for viewer in crowd) - runs
            figures.tab.add(await _lags_of_tab(tab, events))
            for viewer in crowd:
                figures.others.add(_lags(events, viewer.seen.headline, viewer.seen.fragment))
                figures.problems += viewer.problems
    figures.cpu_percent = statistics.mean(shares)
    return figures


async def _lags_of_tab(tab: Page, events: dict[str, float]) -> Lags:
    seen: Any = await tab.evaluate("window.seen")
    fragment: dict[str, float] = {}
    for line in events:
        step = line.partition(": ")[2]
        shown = [at for text, at in seen["fragment"].items() if (step in text if step else text == "end")]
        if shown:
            fragment[line] = min(shown)
    # A step that stood there before, such as the pause that is being left, says nothing about the lag.
    told = {line: at for line, at in events.items() if fragment.get(line, at) > at - 1}
    return _lags(told, seen["headline"], fragment)


def _lags(events: dict[str, float], headlines: dict[str, float], fragments: dict[str, float]) -> Lags:
    lags = Lags()
    for line, at in events.items():
        if line in headlines:
            lags.headline.append((headlines[line] - at) * 1000)
        if line in fragments:
            lags.fragment.append((fragments[line] - at) * 1000)
        else:
            lags.missed += 1
    return lags


def words(lags: Sequence[float]) -> str:
    """`12 / 30 ms`: median and 95th percentile."""
    if not lags:
        return "nothing seen"
    ordered = sorted(lags)
    return f"{statistics.median(ordered):.0f} / {ordered[int(len(ordered) * 0.95)]:.0f} ms"
