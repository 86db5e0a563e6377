"""Every page, wide and on a phone, light and dark: nothing that keeps somebody out, nothing that overflows.

`make test` takes each wide and light, and on a phone and dark. `make screenshots` takes all four and keeps
the pictures in docs/screenshots, to be looked at before they are committed.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, WIDE, Visitor
from tests.smoke import Story, incident
from tests.support.sandbox import RunningSandbox

pytestmark = [pytest.mark.browser, pytest.mark.engine]

LOOKS: dict[str, dict[str, Any]] = {
    "wide-light": {"viewport": WIDE, "color_scheme": "light"},
    "wide-dark": {"viewport": WIDE, "color_scheme": "dark"},
    "phone-light": {"viewport": PHONE, "color_scheme": "light"},
    "phone-dark": {"viewport": PHONE, "color_scheme": "dark"},
}
LOOKED_AT = list(LOOKS) if "SHOTS" in os.environ else ["wide-light", "phone-dark"]
# What somebody cannot get past; the rest of axe's findings is advice.
SEVERE = ("serious", "critical")
DARK_PRIMARY = "#1c7bbb"
# Pages of which there is one, by the heading they have.
PAGES = {
    "overview": ("/", "Overview"),
    "submit": ("/submit", "Submit incident"),
    "submit-samples": ("/submit?tab=samples", "Submit incident"),
    "incidents": ("/incidents", "Incidents"),
    "approvals": ("/approvals", "Approvals"),
    "postmortems": ("/postmortems", "Postmortems"),
    "insights": ("/insights", "Insights"),
    "system": ("/system", "System"),
    "audit": ("/audit", "Audit log"),
}


@pytest.fixture(scope="module")
def waiting(sandbox: RunningSandbox) -> dict[str, str]:
    """A MEDIUM incident that waits, and one of the history with its postmortem: `{page: address}`."""
    story = Story(sandbox)
    title = f"Payments time out {uuid.uuid4().hex[:6]}"
    filed = story.submit(sandbox.client("responder"), incident("payment-api", "MEDIUM", title))
    approval = story.approval(filed)
    query = sandbox.client("approver").table("incidents").select("id").eq("external_id", "INC-2041")
    past = str(cast("list[dict[str, Any]]", query.execute().data)[0]["id"])
    return {
        "incident": f"/incident?id={filed}",
        "approval": f"/approval?id={approval['id']}",
        "incident-past": f"/incident?id={past}",
        "postmortem": f"/postmortem?id={past}",
    }


@pytest.fixture(params=LOOKED_AT)
def visitor(request: pytest.FixtureRequest, visit: Callable[..., Visitor]) -> tuple[str, Visitor]:
    return request.param, visit("approver", **LOOKS[request.param])


def settled(page: Page) -> None:
    """Waits until the page is drawn and nothing is being loaded any more."""
    expect(page.locator("[data-testid=stSkeleton]")).to_have_count(0)
    expect(page.locator("[data-testid=stStatusWidget]")).to_have_count(0)


def is_streamlits(rule: str, node: dict[str, Any]) -> bool:
    """What Streamlit 1.67 draws by itself and lets nobody change."""
    if rule == "svg-img-alt":
        # The line beside a figure; the figure says it in words.
        return "metric_chart_" in node["html"]
    if rule == "color-contrast":
        # Chosen segments and primary buttons have one colour: 4.5 for both cannot be had on a dark page.
        seen = node["any"][0]["data"]
        return str(seen["fgColor"]) == DARK_PRIMARY and float(seen["contrastRatio"]) >= 3
    return False


def check(name: str, look: str, visitor: Visitor) -> list[str]:
    """What is wrong with the page as it stands, in words."""
    page = visitor.page
    settled(page)
    visitor.shot(f"{name}-{look}")
    wrong = [
        f"{name} {look}: {violation['id']} ({violation['impact']}): {violation['help']}: {node['html'][:200]}"
        for violation in Axe().run(page).response["violations"]
        for node in violation["nodes"]
        if violation["impact"] in SEVERE and not is_streamlits(violation["id"], node)
    ]
    too_wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    if too_wide > 0:
        wrong.append(f"{name} {look}: {too_wide} px wider than the screen")
    return wrong


def test_nothing_keeps_anybody_out_and_nothing_overflows(
    visitor: tuple[str, Visitor], waiting: dict[str, str]
) -> None:
    look, person = visitor
    wrong: list[str] = []
    for name, (address, heading) in PAGES.items():
        person.page.goto(person.desk + address)
        expect(person.page.get_by_role("heading", name=heading, exact=True).first).to_be_visible()
        wrong += check(name, look, person)
    for name, address in waiting.items():
        person.page.goto(person.desk + address)
        expect(person.page.locator("h1").first).to_be_visible()
        wrong += check(name, look, person)
    assert not wrong, "\n".join(wrong)


def test_the_ways_in_keep_nobody_out(visit: Callable[..., Visitor]) -> None:
    wrong: list[str] = []
    for look, options in LOOKS.items():
        person = visit(None, **options)
        person.page.goto(f"{person.desk}/login")
        wrong += check("sign-in", look, person)
    assert not wrong, "\n".join(wrong)


def test_an_address_that_leads_nowhere_keeps_nobody_out(visitor: tuple[str, Visitor]) -> None:
    look, person = visitor
    person.page.goto(f"{person.desk}/incidentz")
    assert not check("not-found", look, person)
    person.complaints.remove(f"404 {person.desk}/incidentz")


@pytest.fixture
def held(sandbox: RunningSandbox) -> Iterator[str]:
    """A worker found a run that this database does not know: the reference of its incident."""
    worker = sandbox.service_client()
    reference = f"INC-{uuid.uuid4().hex[:6]}"
    run = {
        "kestra_execution_id": uuid.uuid4().hex,
        "state": "SUCCESS",
        "started_at": "2026-11-24T05:00:00Z",
        "external_id": reference,
        "service": "payment-api",
        "severity": "LOW",
        "title": "High error rate",
        "actions": [{"action_key": "restart_service", "outcome": "acted", "verified": True}],
    }
    worker.rpc("begin_hold", {"worker": "worker-1", "forgotten": [run]}).execute()
    yield reference
    if worker.rpc("current_hold", {}).execute().data is not None:  # the others shall not wait for it
        sandbox.client("admin").rpc("release_hold", {"reason": "This test is over."}).execute()


def test_a_hold_says_what_is_not_known_any_more_and_an_administrator_releases_it(
    held: str, visit: Callable[..., Visitor]
) -> None:
    wrong: list[str] = []
    for look in LOOKED_AT:
        ada = visit("admin", **LOOKS[look])
        ada.page.goto(f"{ada.desk}/system")
        expect(ada.page.get_by_text(held).first).to_be_visible()
        wrong += check("system-hold", look, ada)
    assert not wrong, "\n".join(wrong)
    ada.page.get_by_label("What you found").fill("Restarted twice, nothing else came of it.")
    ada.page.get_by_role("button", name="Release the workers").click()
    expect(ada.page.get_by_text("The workers act again.").first).to_be_visible()
    expect(ada.page.get_by_text(held)).to_have_count(0)
