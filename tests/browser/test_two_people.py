"""Two people at one approval, each with a browser: Ana at a desk, Ada with a phone."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import PHONE, Visitor
from tests.smoke import Story, incident
from tests.support.sandbox import RunningSandbox
from tests.support.until import until

pytestmark = [pytest.mark.browser, pytest.mark.engine]
expect.set_options(timeout=60_000)
# Below the pause after which a page looks by itself: it was told.
PUSHED = 25_000  # ms
# Nobody else's: its deadlines are short.
HURRIED = "two-people-clock"
_PRESS_AT = "(button, at) => setTimeout(() => button.click(), at - Date.now())"
_HIDE = "Object.defineProperty(document, 'hidden', { configurable: true, get: () => true })"


@dataclass
class Pair:
    """Ana and Ada, and what they look at."""

    story: Story
    ana: Visitor
    ada: Visitor
    waiting: dict[str, dict[str, Any]]

    def both_open(self, name: str) -> tuple[Page, Page]:
        for visitor in (self.ana, self.ada):
            opened(visitor, self.waiting[name]["id"])
        return self.ana.page, self.ada.page

    def stored(self, name: str) -> dict[str, Any]:
        return self._row("id", self.waiting[name]["id"])

    def successor(self, name: str) -> dict[str, Any]:
        return self._row("supersedes", self.waiting[name]["id"])

    def _row(self, column: str, value: str) -> dict[str, Any]:
        found: Any = self.story.vera.table("approvals").select("*").eq(column, value).single().execute().data
        return dict(found)

    def votes(self, name: str) -> int:
        query = (
            self.story.vera.table("approval_votes").select("id").eq("approval_id", self.waiting[name]["id"])
        )
        return len(query.execute().data)


def opened(visitor: Visitor, approval: str) -> None:
    visitor.page.goto(f"{visitor.desk}/approval?id={approval}")
    expect(approve(visitor.page)).to_be_enabled()
    at_rest(visitor.page)


def approve(page: Page) -> Locator:
    return page.get_by_role("button", name=re.compile("^Approve: "))


def reject(page: Page) -> Locator:
    return page.get_by_role("button", name=re.compile("^Reject: "))


def reason(page: Page, text: str) -> None:
    """Typed and left, so that the page has it."""
    field = page.get_by_label("Reason")
    field.fill(text)
    field.blur()
    at_rest(page)


def at_rest(page: Page) -> None:
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")


def asked(story: Story, incident_id: str) -> dict[str, Any]:
    """The approval of an incident among many that were submitted at once."""
    query: Any = story.vera.table("approvals").select("*").eq("incident_id", incident_id)
    return dict(until(lambda: (query.execute().data or [None])[0], f"{incident_id} waits", 180, 0.5))


@pytest.fixture
def pair(visit: Callable[..., Visitor], sandbox: RunningSandbox) -> Pair:
    """Everything that they will decide on waits."""
    story = Story(sandbox)
    policy = {"name": HURRIED, "owner": "tests", "minutes_to_decide": 1}
    story.ada.rpc("apply_service", {"payload": policy}).execute()
    services = {
        "race": "payment-api",
        "elsewhere": "checkout-web",
        "edit": "identity-api",
        "reload": "search-api",
        "withdraw": "event-stream",
    }
    made = {
        name: story.submit(story.rita, incident(service, "MEDIUM", f"Two people look at it: {name}"))
        for name, service in services.items()
    }
    ana, ada = visit("approver"), visit("admin", viewport=PHONE, has_touch=True, is_mobile=True)
    return Pair(story, ana, ada, {name: asked(story, incident_id) for name, incident_id in made.items()})


def test_two_people_decide_change_withdraw_and_miss_it_each_seeing_what_the_other_did(pair: Pair) -> None:
    """One pair of browsers for all, since two of them cost more than what they do."""
    hurried = both_look_at_one_that_has_a_minute(pair)
    both_press_at_the_same_moment(pair)
    decided_elsewhere_it_leaves_the_inbox_and_the_open_page_says_who(pair)
    changed_meanwhile_a_stale_page_cannot_decide_and_shows_the_new_one(pair)
    reloaded_at_the_press_it_is_decided_once(pair)
    withdrawn_while_the_other_looks(pair)
    expired_while_both_looked(pair, hurried)


def both_press_at_the_same_moment(pair: Pair) -> None:
    ana, ada = pair.both_open("race")
    reason(ana, "Ana read the pool's graph.")
    reason(ada, "Ada wants to wait.")
    moment = ana.evaluate("Date.now()") + 1_000
    approve(ana).evaluate(_PRESS_AT, moment)
    reject(ada).evaluate(_PRESS_AT, moment)
    until(lambda: pair.stored("race")["status"] != "pending", "one of them has decided")
    stored = pair.stored("race")
    winner, loser = (ana, ada) if stored["status"] == "approved" else (ada, ana)
    said = f"{stored['decided_by_name']} {stored['status']} this"
    for page in (winner, loser):
        expect(page.get_by_text(said).first).to_be_visible()
        expect(page.get_by_text(re.compile(r"this .* \(\d{4}-\d\d-\d\d .* UTC\)")).first).to_be_visible()
        expect(page.get_by_text(f"Reason: {stored['decision_reason']}").first).to_be_visible()
        expect(approve(page)).to_have_count(0)
    expect(loser.get_by_role("alert").filter(has_text="faster")).to_contain_text(stored["decided_by_name"])
    expect(winner.get_by_role("alert").filter(has_text="faster")).to_have_count(0)
    assert pair.votes("race") == 1


def decided_elsewhere_it_leaves_the_inbox_and_the_open_page_says_who(pair: Pair) -> None:
    ana, ada = pair.both_open("elsewhere")
    inbox = pair.ada.open_tab("/approvals")
    row = inbox.get_by_role("link", name="Two people look at it: elsewhere").first
    expect(row).to_be_visible()
    reason(ana, "The cache is cold.")
    approve(ana).click()
    until(lambda: pair.stored("elsewhere")["status"] == "approved", "it is decided", every=0.02)
    decided = time.monotonic()
    expect(row).to_have_count(0, timeout=PUSHED)
    sys.stdout.write(
        f"\nDecided elsewhere: left the other's inbox after {time.monotonic() - decided:.1f} s.\n"
    )
    expect(ada.get_by_text("Ana Approver approved this").first).to_be_visible(timeout=PUSHED)
    expect(ada.get_by_text("Reason: The cache is cold.").first).to_be_visible()
    expect(approve(ada)).to_have_count(0)
    inbox.close()


def changed_meanwhile_a_stale_page_cannot_decide_and_shows_the_new_one(pair: Pair) -> None:
    ana, ada = pair.both_open("edit")
    expect(ana.get_by_text(re.compile("Looked at by Ada Admin")).first).to_be_visible(timeout=PUSHED)
    reason(ada, "Two are enough.")
    # A phone in a pocket: its page is told nothing.
    ada.evaluate(_HIDE)
    ana.get_by_text("Change the proposal").click()
    field = ana.get_by_label("instances", exact=True)
    was = int(field.input_value())
    field.fill(str(was + 1))
    field.blur()
    ana.get_by_label("Why is it changed?").fill("One more, for the evening.")
    ana.get_by_label("Why is it changed?").blur()
    at_rest(ana)
    ana.get_by_role("button", name="Propose this instead").click()
    expect(ana.get_by_text("A changed proposal").first).to_be_visible()
    expect(ana.get_by_text("You cannot decide on this").first).to_be_visible()
    expect(approve(ana)).to_have_count(0)

    approve(ada).tap()
    expect(ada.get_by_role("alert").first).to_be_visible()
    until(lambda: pair.stored("edit")["status"] == "cancelled", "the old text is over")
    assert pair.votes("edit") == 0
    ada.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    ada.get_by_role("link", name="What took its place").tap()
    expect(ada.get_by_text(f"instances was {was} and is {was + 1}").first).to_be_visible()
    expect(ada.get_by_text("One more, for the evening.").first).to_be_visible()
    assert ada.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    at_rest(ada)
    expect(ada).to_have_url(re.compile(pair.successor("edit")["id"]))
    approve(ada).tap()
    expect(ada.get_by_text("Ada Admin approved this").first).to_be_visible()
    expect(ana.get_by_text("Ada Admin approved this").first).to_be_visible(timeout=PUSHED)


def reloaded_at_the_press_it_is_decided_once(pair: Pair) -> None:
    opened(pair.ada, pair.waiting["reload"]["id"])
    page = pair.ada.page
    approve(page).tap()
    page.reload()
    expect(page.get_by_role("heading", name="Two people look at it: reload")).to_be_visible()
    at_rest(page)
    if pair.stored("reload")["status"] == "pending":
        # The reload was faster than the press: nothing was decided, and the buttons are there.
        approve(page).tap()
    expect(page.get_by_text("Ada Admin approved this").first).to_be_visible()
    assert pair.votes("reload") == 1


def withdrawn_while_the_other_looks(pair: Pair) -> None:
    ana, ada = pair.both_open("withdraw")
    # Held, the workers deliver nothing, so there is time for second thoughts.
    pair.story.ada.rpc("hold_workers", {"reason": "Two people, one of them unsure."}).execute()
    try:
        reason(ana, "Looks right.")
        approve(ana).click()
        expect(ana.get_by_text("being delivered").first).to_be_visible()
        expect(ada.get_by_text("Ana Approver approved this").first).to_be_visible(timeout=PUSHED)
        ana.get_by_text("Withdraw my decision").click()
        ana.get_by_label("Why is it withdrawn?").fill("It was the wrong cluster.")
        ana.get_by_label("Why is it withdrawn?").blur()
        at_rest(ana)
        ana.get_by_role("button", name="Withdraw it").click()
        expect(ana.get_by_text("It waits anew").first).to_be_visible()
        expect(ada.get_by_role("link", name="What took its place")).to_be_visible(timeout=PUSHED)
    finally:
        pair.story.ada.rpc("release_hold", {"reason": "They are sure now."}).execute()
    ada.get_by_role("link", name="What took its place").tap()
    expect(approve(ada)).to_be_enabled()
    at_rest(ada)
    reason(ada, "Not this one.")
    reject(ada).tap()
    expect(ada.get_by_text("Ada Admin rejected this").first).to_be_visible()
    expect(ana.get_by_text("Ada Admin rejected this").first).to_be_visible(timeout=PUSHED)
    assert pair.stored("withdraw")["status"] == "cancelled"
    assert pair.successor("withdraw")["status"] == "rejected"


def both_look_at_one_that_has_a_minute(pair: Pair) -> list[Page]:
    """Pages with buttons that work; where opening them took the minute, another is asked for."""
    for number in ("one", "two", "three"):
        made = pair.story.submit(pair.story.rita, incident(HURRIED, "MEDIUM", f"The deadline, take {number}"))
        pair.waiting["hurried"] = asked(pair.story, made)
        address = f"/approval?id={pair.waiting['hurried']['id']}"
        tabs = [visitor.open_tab(address) for visitor in (pair.ana, pair.ada)]
        for tab in tabs:
            expect(approve(tab).or_(tab.get_by_text("Cause: Nobody decided")).first).to_be_visible()
        if all(approve(tab).count() for tab in tabs):
            return tabs
        for tab in tabs:
            tab.close()
    raise AssertionError("a page takes longer than a minute to open")


def expired_while_both_looked(pair: Pair, tabs: list[Page]) -> None:
    """They stood open all the while, and nobody loads them anew."""
    for tab in tabs:
        expect(tab.get_by_text("Cause: Nobody decided before the deadline.").first).to_be_visible(
            timeout=90_000
        )
        expect(approve(tab)).to_have_count(0)
        expect(reject(tab)).to_have_count(0)
    stored = pair.stored("hurried")
    assert (stored["status"], stored["decided_by"]) == ("expired", None)
