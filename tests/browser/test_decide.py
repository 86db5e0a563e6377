"""Deciding with one thumb on a phone, and with no hand on the mouse."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, Visitor
from tests.smoke import Story, incident
from tests.support.sandbox import RunningSandbox

pytestmark = [pytest.mark.browser, pytest.mark.engine]
expect.set_options(timeout=60_000)

_THUMB = 40  # pixels
_BESIDE = "(one, other) => Math.abs(one.getBoundingClientRect().y - other.getBoundingClientRect().y) < 1"
# What has the focus, also within our own components.
_FOCUSED = """() => {
  let found = document.activeElement
  while (found?.shadowRoot?.activeElement) found = found.shadowRoot.activeElement
  return found ? `${found.tagName} ${found.textContent || found.getAttribute("aria-label") || ""}` : ""
}"""


def tab_to(page: Page, wanted: str, most: int = 60) -> None:
    """Press Tab until something with these words has the focus."""
    for _ in range(most):
        if wanted in page.evaluate(_FOCUSED):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"{wanted} is not reached by {most} presses of Tab")


def test_an_approver_goes_from_the_overview_to_a_decision_with_one_thumb(
    visit: Callable[..., Visitor], sandbox: RunningSandbox
) -> None:
    story = Story(sandbox)
    title = "Payments of one in seven customers time out at the database pool"
    made = story.submit(story.rita, incident("payment-api", "MEDIUM", title))
    story.approval(made)
    ana = visit("approver", viewport=PHONE, has_touch=True, color_scheme="dark")
    page = ana.page
    row = page.get_by_role("link", name=title).first
    expect(row).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert row.evaluate("e => e.scrollWidth <= e.parentElement.clientWidth + 1"), "the title is cut off"
    ana.shot("overview-phone-dark")
    row.tap()
    expect(page.get_by_role("heading", name=title)).to_be_visible()
    expect(page.get_by_text(re.compile(r"\d+ (min|s)( \d+ s)? left"))).to_be_visible()
    approve = page.get_by_role("button", name=re.compile("^Approve: "))
    reject = page.get_by_role("button", name=re.compile("^Reject"))
    sizes = [box for box in (approve.bounding_box(), reject.bounding_box()) if box]
    assert len({(round(box["width"]), round(box["height"])) for box in sizes}) == 1
    # Both at one moment: what is drawn above them may still move them.
    assert approve.evaluate(_BESIDE, reject.element_handle())
    ana.shot("decision-phone-dark")
    assert all(box["height"] >= _THUMB for box in sizes)
    assert not page.evaluate(_FOCUSED).startswith("BUTTON"), "a press of Enter would decide"
    page.get_by_label("Reason").fill("Connections are dead.")
    approve.tap()
    expect(page.get_by_text("Ana Approver approved this").first).to_be_visible()
    expect(page.get_by_text("Connections are dead.").first).to_be_visible()
    ana.shot("approval-phone-dark")
    story.ended(made)


def test_a_decision_by_keyboard_alone(visit: Callable[..., Visitor], sandbox: RunningSandbox) -> None:
    story = Story(sandbox)
    title = "Search answers slowly since the morning"
    made = story.submit(story.rita, incident("search-api", "MEDIUM", title))
    story.approval(made)
    page = visit("approver").page
    expect(page.get_by_role("link", name=title).first).to_be_visible()
    tab_to(page, title)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=title)).to_be_visible()
    expect(page.get_by_label("Reason")).to_be_visible()
    tab_to(page, "TEXTAREA")
    page.keyboard.type("The cause is elsewhere.")
    tab_to(page, "Reject")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Ana Approver rejected this").first).to_be_visible()
    expect(page.get_by_text("The cause is elsewhere.").first).to_be_visible()
    story.ended(made)


def test_an_address_that_leads_nowhere_has_a_way_back(visit: Callable[..., Visitor]) -> None:
    vera = visit("viewer")
    page = vera.open_tab("/incidentz")
    expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()
    page.get_by_role("link", name="Incidents").click()
    expect(page.get_by_role("heading", name="Incidents")).to_be_visible()
    vera.complaints.remove(f"404 {vera.desk}/incidentz")
