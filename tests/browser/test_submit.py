"""Reporting an incident in a browser: drafts, hostile text, a double click, and the first story of a demo."""

import re
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Dialog, Page, expect

from dashboard.domain.clock import to_iso, utc_now
from dashboard.samples import SAMPLES
from tests.browser.conftest import PHONE, Visitor
from tests.support.sandbox import RunningSandbox
from tests.support.until import until

pytestmark = [pytest.mark.browser, pytest.mark.engine]
expect.set_options(timeout=60_000)

Visit = Callable[..., Visitor]


def fields(page: Page) -> dict[str, str]:
    """What stands in the form."""
    return {
        "service": page.get_by_role("combobox", name="Service").input_value(),
        "title": page.get_by_role("textbox", name="Title", exact=True).input_value(),
        "logs": page.get_by_role("textbox", name="Log lines").input_value(),
    }


def test_a_draft_survives_a_reload_and_a_sign_out(visit: Visit, sandbox: RunningSandbox) -> None:
    rita = visit("responder", viewport=PHONE)
    page = rita.page
    page.goto(f"{rita.desk}/submit")
    page.get_by_role("combobox", name="Service").click()
    page.get_by_role("option", name="payment-api").click()
    page.locator("label").filter(has_text="CRITICAL").click()
    # Told by the real rules, for this service.
    expect(page.get_by_text("Escalates to people at once").first).to_be_visible()
    page.get_by_role("textbox", name="Title", exact=True).press_sequentially("Nobody can pay", delay=20)
    logs = page.get_by_role("textbox", name="Log lines")
    logs.press_sequentially("ERROR one\nERROR two", delay=20)
    typed = {"service": "payment-api", "title": "Nobody can pay", "logs": "ERROR one\nERROR two"}
    # Neither left nor confirmed: the field still has the focus.
    expect(page.get_by_text(re.compile(r"^2 of 20,000 log lines"))).to_be_visible()
    expect(page.get_by_text(re.compile(r"Draft saved \d\d:\d\d:\d\d UTC"))).to_be_visible()
    assert page.evaluate("document.activeElement.tagName") == "TEXTAREA"
    assert fields(page) == typed
    rita.shot("submit-draft-phone")

    page.reload()
    expect(page.get_by_text(re.compile(r"Draft of .* restored"))).to_be_visible()
    assert fields(page) == typed
    expect(page.get_by_role("radio", name="CRITICAL")).to_be_checked()

    page.goto(f"{rita.desk}/login")
    page.get_by_role("button", name="Sign out", exact=True).click()
    ana = sandbox.account("approver")["email"]
    page.locator(f"button[name=account][value='{ana}']").click()
    page.get_by_role("heading", name="Overview").wait_for()
    page.goto(f"{rita.desk}/submit")
    expect(page.get_by_role("textbox", name="Title", exact=True)).to_have_value("")
    rita.sign_in(sandbox.account("responder")["email"])
    page.goto(f"{rita.desk}/submit")
    expect(page.get_by_role("textbox", name="Title", exact=True)).to_have_value("Nobody can pay")
    page.get_by_role("button", name="Discard draft").click()
    expect(page.get_by_role("textbox", name="Title", exact=True)).to_have_value("")
    page.reload()
    expect(page.get_by_role("textbox", name="Title", exact=True)).to_have_value("")


def test_the_hostile_sample_stays_text_and_a_double_click_is_one_incident(
    visit: Visit, sandbox: RunningSandbox
) -> None:
    (sample,) = [sample for sample in SAMPLES if sample.key == "hostile"]
    rita = visit("responder")
    begun = to_iso(utc_now())
    asked: list[str] = []
    opened: list[str] = []
    rita.context.on("request", lambda request: asked.append(request.url))

    def hear(dialog: Dialog) -> None:
        opened.append(dialog.message)
        dialog.dismiss()

    rita.page.on("dialog", hear)
    rita.page.goto(f"{rita.desk}/submit?tab=samples")
    rita.page.get_by_role("button", name="Submit hostile text").wait_for()
    rita.shot("submit-samples")
    rita.page.get_by_role("button", name="Submit hostile text").dblclick()
    rita.page.wait_for_url("**/incident?id=*")
    expect(rita.page.get_by_role("heading", level=1)).to_contain_text("<b>Search</b> ![x]")
    approvals = sandbox.client("viewer").table("approvals").select("status")
    asked_for = approvals.eq("incident_id", rita.page.url.partition("id=")[2])
    until(lambda: asked_for.execute().data, "the flow has stopped and asked", 60)
    rita.shot("incident-hostile")
    assert not opened
    assert not [url for url in asked if "attacker.example" in url]
    assert rita.page.locator("a[href*='attacker.example'], img[src*='attacker.example']").count() == 0
    query = sandbox.client("viewer").table("incidents").select("severity, occurrences, logs")
    filed: Any = query.eq("title", sample.title).gt("created_at", begun).execute().data
    assert [(row["severity"], row["occurrences"]) for row in filed] == [("MEDIUM", 1)]
    assert filed[0]["logs"] == list(sample.logs)


def test_reports_of_a_burst_join_and_are_counted(visit: Visit) -> None:
    rita = visit("responder", color_scheme="dark")
    rita.page.goto(f"{rita.desk}/submit?tab=samples")
    rita.page.get_by_role("button", name="Submit the same report 5 times").click()
    expect(rita.page.get_by_text(re.compile(r"Report 5 joined INC-\S+, now seen \d+ times"))).to_be_visible()
    rita.shot("submit-burst-dark")
    rita.page.get_by_role("link", name=re.compile("^Open INC-")).click()
    rita.page.wait_for_url("**/incident?id=*")


def begin_anew(sandbox: RunningSandbox) -> None:
    """What other tests submitted and decided is history here, and nobody has put the story away."""
    with psycopg.connect(sandbox.endpoints["postgres"]["url"]) as owner:
        owner.execute(
            "update public.incidents set severity = 'HIGH' where source = 'desk' and severity = 'MEDIUM'"
        )
        owner.execute("delete from public.dismissals")


def test_the_first_story_is_told_to_its_end_by_two_people(visit: Visit, sandbox: RunningSandbox) -> None:
    begin_anew(sandbox)
    visitor = visit("responder")
    page = visitor.page
    expect(page.get_by_text("0 of 3 done")).to_be_visible()
    visitor.shot("first-story")
    page.get_by_role("link", name="Go to the samples").click()
    page.get_by_role("button", name="Submit MEDIUM sample").click()
    page.wait_for_url("**/incident?id=*")
    page.get_by_role("link", name="Overview").click()
    # Nobody reloads: the second step ticks when the flow has stopped.
    expect(page.get_by_text("2 of 3 done")).to_be_visible()
    expect(page.get_by_text("Rita Responder may not decide on it")).to_be_visible()
    visitor.shot("first-story-asked")

    page.locator(".st-key-first_story").get_by_role("link", name="Switch account").click()
    expect(page.get_by_role("heading", name="Switch account")).to_be_visible()
    page.locator(f"button[name=account][value='{sandbox.account('approver')['email']}']").click()
    page.wait_for_url("**/approval?id=*")
    page.get_by_label("Reason").fill("The pool is dead.")
    page.get_by_role("button", name=re.compile("^Approve: ")).click()
    expect(page.get_by_text("The pool is dead.").first).to_be_visible()
    page.get_by_role("link", name="Overview").click()
    expect(page.get_by_text("3 of 3 done")).to_be_visible()
    expect(page.get_by_role("link", name="Read the postmortem")).to_be_visible()
    visitor.shot("first-story-done")

    page.get_by_role("button", name="Dismiss").click()
    expect(page.get_by_text("Your first five minutes")).to_have_count(0)
    page.reload()
    expect(page.get_by_role("heading", name="Needs you")).to_be_visible()
    expect(page.get_by_text("Your first five minutes")).to_have_count(0)
