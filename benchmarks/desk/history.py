"""Pages in a Chromium with a thousand and a hundred thousand incidents behind them; the first page of all."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from playwright.async_api import Browser, Page

from benchmarks.db import fill
from tests.support.desk_process import RunningDesk
from tests.support.gateway import start_gateway
from tests.support.postgres import (
    RunningPostgres,
    free_port,
    migrated_template,
    new_passwords,
    scratch_database,
)
from tests.support.project import PASSWORD, Supabase

SIZES = (1_000, 100_000)
PAGES = ("Overview", "Incidents", "Postmortems")
_EMAIL = "bench@desk.example"


async def measure(browser: Browser, times: int, say: Callable[[str], None]) -> dict[str, list[float]]:
    """Median milliseconds by what was done, one for each size."""
    figures: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        Path(folder).chmod(0o711)
        postgres = RunningPostgres(Path(folder) / "data", free_port(), new_passwords())
        try:
            with postgres.database("template1").connect("supabase_admin") as superuser:
                superuser.execute("create database blank template postgres owner postgres")
            template = migrated_template(postgres)
            for size in SIZES:
                with scratch_database(postgres, template) as database:
                    say(f"filling a database with {size:,} incidents …")
                    fill(database, size)
                    gateway = start_gateway(database)
                    desk = RunningDesk(gateway, Path(folder))
                    try:
                        Supabase(database, gateway).person("bench", "responder")
                        desk.start()
                        desk.until_ready()
                        for name, taken in (await _look(browser, desk.url, times)).items():
                            figures.setdefault(name, []).append(statistics.median(taken))
                    finally:
                        desk.stop()
                        gateway.stop()
        finally:
            postgres.stop()
    return figures


async def _look(browser: Browser, desk: str, times: int) -> dict[str, list[float]]:
    """Each page from the menu and by its address, and the first page after a sign-in."""
    taken: dict[str, list[float]] = {}

    async def note(name: str, heading: str, page: Page, act: Callable[[], Awaitable[object]]) -> None:
        began = time.perf_counter()
        await act()
        await _until_drawn(page, heading)
        taken.setdefault(name, []).append((time.perf_counter() - began) * 1000)

    for attempt in range(times):
        context = await browser.new_context(viewport={"width": 1280, "height": 900})
        context.set_default_timeout(120_000)
        page = await context.new_page()
        await page.goto(f"{desk}/login")
        await page.get_by_role("textbox", name="E-mail").fill(_EMAIL)
        await page.get_by_label("Password", exact=True).fill(PASSWORD)
        sign_in = page.get_by_role("button", name="Sign in", exact=True)
        # The first of all pays for the imports of a process that has just started.
        name = "First page after sign-in" if attempt else "the very first page of the process"
        await note(name, "Overview", page, sign_in.click)
        for heading in ("Incidents", "Postmortems", "Overview"):
            link = page.get_by_test_id("stSidebar").get_by_role("link", name=heading)
            await note(f"{heading}, from the menu", heading, page, link.click)
        for heading in PAGES:
            path = "" if heading == "Overview" else heading.lower()
            await note(f"{heading}, by its address", heading, page, partial(page.goto, f"{desk}/{path}"))
        await context.close()
    return taken


async def _until_drawn(page: Page, heading: str) -> None:
    """The page's heading stands there and its script has ended."""
    await page.get_by_role("heading", name=heading, exact=True).first.wait_for()
    await page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
