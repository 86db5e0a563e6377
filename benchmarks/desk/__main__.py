"""`make bench-desk`: prints figures and ratios; `--help` tells what can be left out."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from pathlib import Path

from playwright.async_api import async_playwright

from benchmarks.desk import clicking, history, push, site
from tests.support.sandbox import RunningSandbox

PARTS = ("push", "clicking", "history")


def say(line: str = "") -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-desk", description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--viewers", nargs="+", type=int, default=[1, 50], help="who look at one execution")
    parser.add_argument("--rounds", type=int, default=4, help="executions per number of viewers")
    parser.add_argument("--people", type=int, default=20, help="who click at random")
    parser.add_argument("--tabs", type=int, default=4, help="how many of them are tabs of a Chromium")
    parser.add_argument("--seconds", type=float, default=600, help="how long they click")
    parser.add_argument("--times", type=int, default=9, help="how often each page is opened")
    return parser.parse_args()


async def bench_push(here: site.Site, chosen: argparse.Namespace) -> None:
    say("From the moment a raw reader of Kestra's stream has the event; median / 95th percentile")
    columns = f"{'viewers':<10}{'headline':<18}{'fragment':<18}"
    say(f"{columns}{'headline, others':<20}{'fragment, others':<20}desk's CPU")
    for viewers in chosen.viewers:
        figures = await push.measure(here, viewers, chosen.rounds)
        tab, others = figures.tab, figures.others
        say(
            f"{viewers:<10}{push.words(tab.headline):<18}{push.words(tab.fragment):<18}"
            f"{push.words(others.headline):<20}{push.words(others.fragment):<20}{figures.cpu_percent:.0f} %"
        )
        overtaken = (
            f", {others.missed} overtaken by a later one before they were drawn" if others.missed else ""
        )
        say(f"{'':<10}{figures.events} events, {figures.runs} runs of fragments by the others{overtaken}")
        for problem in sorted(set(figures.problems)):
            say(f"{'':<10}{problem}")


async def bench_clicking(here: site.Site, chosen: argparse.Namespace) -> None:
    report = await clicking.measure(here, chosen.people, min(chosen.tabs, chosen.people), chosen.seconds)
    early, late = report.growth()
    say(f"\n{report.people} people, {report.tabs} of them in Chromium, {report.clicks} clicks")
    say(f"memory of the desk: {early:.0f} MiB in the second fifth of {report.seconds:.0f} s,")
    say(f"    {late:.0f} MiB in the last; ratio {late / early:.2f}")
    say(f"errors in its log and in the browsers: {len(report.problems) or 'none'}")
    for problem in report.problems[:20]:
        say(f"    {problem}")


async def bench_history(chosen: argparse.Namespace) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=site.chromium(), args=list(site.FLAGS))
        figures = await history.measure(browser, chosen.times, say)
        await browser.close()
    few, many = history.SIZES
    say(f"\n{f'median of {chosen.times}, in Chromium':<36}{few:>10,}{many:>10,}{'ratio':>8}")
    for name, (small, large) in figures.items():
        say(f"{name:<36}{small:>7.0f} ms{large:>7.0f} ms{large / small:>8.2f}")


async def main() -> None:
    chosen = options()
    say(f"{os.cpu_count()} cores, load before the start {os.getloadavg()[0]:.1f}\n")
    if set(chosen.parts) & {"push", "clicking"}:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            sandbox = RunningSandbox(Path(folder) / "sandbox", seconds=900)
            try:
                async with site.opened(sandbox) as here:
                    if "push" in chosen.parts:
                        await bench_push(here, chosen)
                    if "clicking" in chosen.parts:
                        await bench_clicking(here, chosen)
            finally:
                sandbox.stop(30)
    if "history" in chosen.parts:
        await bench_history(chosen)


if __name__ == "__main__":
    asyncio.run(main())
