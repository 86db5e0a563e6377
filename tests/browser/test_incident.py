"""One incident in two browsers: acknowledge, note, assign, kill, run again; wide light and narrow dark."""

from collections.abc import Callable
from typing import Any, cast

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, Visitor
from tests.support.sandbox import RunningSandbox

pytestmark = [pytest.mark.browser, pytest.mark.engine]
expect.set_options(timeout=60_000)


def press(page: Page, key: str) -> None:
    page.locator(f".st-key-{key} button").first.click()


def confirm(page: Page) -> None:
    press(page, "dialog_do")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_people_work_on_one_incident_while_its_run_goes_on(
    visit: Callable[..., Visitor], sandbox: RunningSandbox
) -> None:
    report: dict[str, Any] = {
        "service": "payment-api",
        "severity": "MEDIUM",
        "title": "Checkout answers slowly since the last release",
        "logs": ["ERROR Connection timeout: pool exhausted"] * 4,
    }
    made = cast(
        dict[str, Any],
        sandbox.client("responder").rpc("submit_incident", {"payload": report}).execute().data,
    )
    address = f"/incident?id={made['incident_id']}"
    rita = visit("responder")
    rita.page.goto(rita.desk + address)
    ana = visit("approver", viewport=PHONE, color_scheme="dark")
    ana.page.goto(ana.desk + address)
    expect(rita.page.get_by_role("link", name="Read the proposal")).to_be_visible()

    press(rita.page, "do_acknowledge")
    expect(rita.page.locator(".st-key-do_acknowledge")).to_have_count(0)
    # Nobody reloads, and what is being typed outlives what others do.
    press(ana.page, "do_note")
    note = ana.page.get_by_role("dialog").get_by_label("Note")
    note.fill("The pool was made smaller yesterday.")
    press(rita.page, "do_assign")
    expect(rita.page.get_by_label("To whom")).to_be_visible()
    confirm(rita.page)
    expect(rita.page.get_by_text("Assigned to Rita Responder")).to_be_visible()
    expect(note).to_have_value("The pool was made smaller yesterday.")
    ana.shot("incident-note-phone-dark")
    confirm(ana.page)
    expect(rita.page.get_by_text("The pool was made smaller yesterday.")).to_be_visible()
    expect(ana.page.get_by_text("acknowledged").first).to_be_visible()
    assert ana.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    ana.shot("incident-waiting-phone-dark")

    press(rita.page, "do_kill")
    expect(rita.page.get_by_text("What it does not undo.")).to_be_visible()
    rita.shot("incident-kill")
    confirm(rita.page)
    expect(rita.page.get_by_text("asked for by Rita Responder").first).to_be_visible()
    expect(rita.page.locator(".st-key-failure_run_again")).to_be_visible()
    rita.shot("incident-killed")

    press(rita.page, "failure_run_again")
    confirm(rita.page)
    expect(rita.page.get_by_text("Earlier runs (1)")).to_be_visible()
    expect(rita.page.get_by_role("link", name="Read the proposal")).to_be_visible()
    expect(ana.page.get_by_text("Earlier runs (1)")).to_be_visible()
    rita.shot("incident-run-again")
    ana.shot("incident-run-again-phone-dark")
