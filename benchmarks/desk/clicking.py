"""Many people click at random for a while: does the desk's memory stay flat, and does its log stay clean?

A few of them are tabs of a Chromium, which press links, tabs and expanders; the others speak Streamlit's
protocol and go from page to page. To the desk both are the same: a session, its runs, its live sockets.
"""

from __future__ import annotations

import asyncio
import random
import re
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import psutil
from playwright.async_api import Error, Page

from benchmarks.desk.site import Site
from benchmarks.desk.viewer import Viewer

_SAMPLE_SECONDS = 5.0
_WAIT_SECONDS = (0.5, 4.0)
_RELOAD_EVERY = 12  # clicks: people also close tabs and open new ones
# What a click at random must not do: leave, decide, or write.
_HARMLESS = "a[data-testid=stPageLink-NavLink], [data-testid=stExpander] summary, [role=tab]"
_BAD_LINE = re.compile(r"\b(ERROR|CRITICAL|Traceback|WARNING)\b")
# Streamlit says so at every reload of a page with a timer; it is information.
_IGNORED = re.compile(r"does not exist anymore")


@dataclass
class Report:
    """Memory in MiB over time, and what went wrong."""

    people: int
    tabs: int
    seconds: float
    clicks: int = 0
    memory: list[tuple[float, float]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def growth(self) -> tuple[float, float]:
        """Median memory of the second and of the last fifth: the first is warming up."""
        fifth = max(1, len(self.memory) // 5)
        values = [size for _, size in self.memory]
        return statistics.median(values[fifth : 2 * fifth] or values), statistics.median(values[-fifth:])


async def measure(site: Site, people: int, tabs: int, seconds: float) -> Report:
    """Everybody at once, until the time is over."""
    report = Report(people, tabs, seconds)
    rows: Any = site.sandbox.client("viewer").table("incidents").select("id").limit(30).execute().data
    incidents = [str(row["id"]) for row in rows]
    log_at = len(site.desk_log())
    deadline = time.monotonic() + seconds
    async with asyncio.TaskGroup() as group:
        group.create_task(_watch_memory(site, report, deadline))
        for number in range(people):
            walk = _click if number < tabs else _walk
            group.create_task(walk(site, number, report, incidents, deadline))
    lines = site.desk_log()[log_at:].splitlines()
    report.problems += sorted(
        {line[:200] for line in lines if _BAD_LINE.search(line) and not _IGNORED.search(line)}
    )
    return report


async def _watch_memory(site: Site, report: Report, deadline: float) -> None:
    desk = psutil.Process(site.sandbox.desk_process())
    began = time.monotonic()
    while time.monotonic() < deadline:
        report.memory.append((time.monotonic() - began, desk.memory_info().rss / 2**20))
        await asyncio.sleep(_SAMPLE_SECONDS)


def _address(chance: random.Random, incidents: Sequence[str]) -> tuple[str, str]:
    """A page and its query."""
    page = chance.choice(
        ("", "incidents", "incident", "incident", "approvals", "postmortems", "postmortem", "submit")
    )
    return page, f"id={chance.choice(incidents)}" if page in ("incident", "postmortem") else ""


async def _walk(site: Site, number: int, report: Report, incidents: Sequence[str], deadline: float) -> None:
    """Somebody without a browser, from page to page."""
    chance = random.Random(number)
    while time.monotonic() < deadline:
        async with Viewer(site.desk, site.cookie(number), *_address(chance, incidents)) as viewer:
            for _ in range(_RELOAD_EVERY):
                await asyncio.sleep(chance.uniform(*_WAIT_SECONDS))
                if time.monotonic() > deadline:
                    break
                await viewer.go(*_address(chance, incidents))
                report.clicks += 1
            report.problems += viewer.problems


async def _click(site: Site, number: int, report: Report, incidents: Sequence[str], deadline: float) -> None:
    """Somebody with a browser, on what lies there."""
    chance = random.Random(number)
    async with site.tab(number) as page:
        page.on("pageerror", lambda error: report.problems.append(f"in the browser: {str(error)[:200]}"))
        while time.monotonic() < deadline:
            name, query = _address(chance, incidents)
            await page.goto(f"{site.desk}/{name}" + (f"?{query}" if query else ""))
            for _ in range(_RELOAD_EVERY):
                await asyncio.sleep(chance.uniform(*_WAIT_SECONDS))
                if time.monotonic() > deadline:
                    break
                report.clicks += await _press_something(page, chance)


async def _press_something(page: Page, chance: random.Random) -> int:
    """One click; 0 where it was gone before it could be pressed, as on a page that lives."""
    things = page.locator(_HARMLESS)
    count = await things.count()
    if not count:
        return 0
    try:
        await things.nth(chance.randrange(count)).click(timeout=3000)
    except Error:
        return 0
    return 1
