"""A Chromium of this machine. `make test` installs none: without one, these tests say so and skip."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Response, sync_playwright

from tests.support.sandbox import RunningSandbox

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# On a page's own address Streamlit first asks whether the app is served from below it; 404 is the answer.
_STREAMLIT_LOOKS_FOR_ITS_BASE = re.compile(r"/[a-z]+/_stcore/(health|host-config)$")
SHOTS = Path(os.environ.get("SHOTS", Path(__file__).parent / "shots"))
WIDE = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One Chromium for this folder: Playwright runs an event loop here, under which no other test could."""
    path = next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None:
        pytest.skip("no Chromium on this machine: browser tests are left out (.ci/run installs one)")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=_FLAGS)
        yield chromium
        chromium.close()


class Visitor:
    """A person with a browser of their own; `complaints` are errors their console showed."""

    def __init__(self, context: BrowserContext, desk: str) -> None:
        self.context = context
        self.desk = desk
        self.complaints: list[str] = []
        self.page = self.open_tab()

    def open_tab(self, path: str | None = None) -> Page:
        page = self.context.new_page()
        page.on("console", self._hear)
        page.on("response", self._look)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        if path is not None:
            page.goto(self.desk + path)
        return page

    def _hear(self, message: ConsoleMessage) -> None:
        # Failed requests are complained of with their address, below.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.complaints.append(message.text)

    def _look(self, response: Response) -> None:
        if response.status >= 400 and not _STREAMLIT_LOOKS_FOR_ITS_BASE.search(response.url):
            self.complaints.append(f"{response.status} {response.url}")

    def sign_in(self, email: str) -> None:
        self.page.goto(f"{self.desk}/login")
        self.page.locator(f"button[name=account][value='{email}']").click()
        self.page.get_by_role("heading", name="Overview").wait_for()

    def shot(self, name: str, page: Page | None = None) -> None:
        """The whole page as a picture in `shots/`, for people to look at."""
        page = page or self.page
        SHOTS.mkdir(exist_ok=True)
        size = page.viewport_size
        assert size is not None
        height = page.evaluate(
            "Math.max(...[...document.querySelectorAll('section, main, div')].map(e => e.scrollHeight))"
        )
        page.set_viewport_size({"width": size["width"], "height": min(max(height, size["height"]), 4000)})
        page.screenshot(path=SHOTS / f"{name}.png")
        page.set_viewport_size(size)


@pytest.fixture
def visit(browser: Browser, sandbox: RunningSandbox) -> Iterator[Callable[..., Visitor]]:
    """Opens the desk: `visit("approver", viewport=PHONE, color_scheme="dark")`; None signs nobody in."""
    visitors: list[Visitor] = []

    def open_desk(role: str | None, **options: object) -> Visitor:
        context = browser.new_context(**({"viewport": WIDE} | options))  # type: ignore[arg-type]
        context.set_default_timeout(60_000)
        visitor = Visitor(context, sandbox.urls["desk"])
        visitors.append(visitor)
        if role:
            visitor.sign_in(sandbox.account(role)["email"])
        return visitor

    yield open_desk
    for visitor in visitors:
        visitor.context.close()
    complaints = [complaint for visitor in visitors for complaint in visitor.complaints]
    assert not complaints, f"the browser complained: {complaints}"
