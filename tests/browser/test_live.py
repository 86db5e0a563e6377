"""An open page is told what the engine does, while somebody types into it."""

import os
import re
import secrets
import signal
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visitor
from tests.support.sandbox import RunningSandbox
from tests.support.until import until

pytestmark = [pytest.mark.browser, pytest.mark.engine]
expect.set_options(timeout=60_000)
# Below the pause after which a page looks by itself.
PUSHED = 25_000  # ms

# Shadow roots are part of what a reader sees; every headline is kept, with how the fragment stood then.
_RECORD = """() => {
  window.opened = true
  window.headlines = []
  const look = () => {
    for (const element of document.querySelectorAll("*")) {
      const line = element.shadowRoot?.querySelector("output")?.textContent
      if (line && line !== window.headlines.at(-1)) window.headlines.push(line)
    }
    setTimeout(look, 10)
  }
  look()
}"""


def waiting_approval(sandbox: RunningSandbox, incident: str) -> dict[str, Any]:
    approvals = sandbox.client("approver").table("approvals").select("*")
    pending = approvals.eq("incident_id", incident).eq("status", "pending")
    return dict(until(lambda: pending.execute().data, "the flow waits", 90)[0])


def step(page: Page, title: str) -> Any:
    return page.get_by_test_id("stExpander").filter(has_text=title).first


def test_an_event_of_the_engine_reaches_the_page_while_somebody_types(
    visit: Callable[..., Visitor], sandbox: RunningSandbox
) -> None:
    rita = visit("responder")
    rita.page.goto(f"{rita.desk}/submit")
    rita.page.get_by_role("tab", name="Samples").click()
    rita.page.get_by_role("button", name="Submit MEDIUM sample").click()
    rita.page.wait_for_url("**/incident?id=*")
    incident = re.findall(r"id=([0-9a-f-]{36})", rita.page.url)[0]
    waiting = waiting_approval(sandbox, incident)
    expect(rita.page.get_by_text("Paused: Wait for a decision").first).to_be_visible()
    rita.page.get_by_text("Also what flow and worker noted").click()
    expect(rita.page.get_by_text("asked for an approval")).to_be_visible()
    rita.page.evaluate(_RECORD)

    rita.page.get_by_role("button", name="Note", exact=True).click()
    field = rita.page.get_by_role("dialog").get_by_role("textbox")
    field.click()
    answer = {
        "approval_id": waiting["id"],
        "decision": "approved",
        "reason": "A restart is safe.",
        "content_hash": waiting["content_hash"],
    }
    sandbox.client("approver").rpc("decide_approval", answer).execute()
    typed = ""
    for letter in iter("slow" * 200):
        typed += letter
        rita.page.keyboard.type(letter, delay=100)
        if "Succeeded" in rita.page.evaluate("window.headlines"):
            break

    # The database knows the end a moment after the engine, and the page by then draws nothing anew under it.
    expect(rita.page.get_by_text("saw the run end")).to_be_visible()
    expect(field).to_have_value(typed)
    assert rita.page.evaluate("window.opened"), "the page was loaded anew"
    said = rita.page.evaluate("window.headlines")
    assert said[0] == "Paused: Wait for a decision"
    assert said[-1] == "Succeeded", said
    assert any(line.startswith("Running: ") for line in said), said
    assert said.count("Succeeded") == 1, f"what had ended went on: {said}"
    rita.page.keyboard.press("Escape")
    expect(rita.page.get_by_text("this is its final state")).to_be_visible()
    expect(step(rita.page, "Carry out what was approved")).to_contain_text("Succeeded")


def test_an_open_page_outlives_a_restart_of_the_desk_and_hears_of_a_sign_out(
    visit: Callable[..., Visitor], sandbox: RunningSandbox
) -> None:
    admin = sandbox.client("admin")
    imported = admin.table("incidents").select("id").eq("source", "import")
    incident: Any = imported.limit(1).execute().data[0]
    versions = admin.table("incidents").select("version").eq("id", incident["id"])

    mark = secrets.token_hex(4)

    def note(text: str) -> None:
        version: Any = versions.execute().data
        arguments = {"incident_id": incident["id"], "kind": "note", "payload": {"text": text}}
        admin.rpc("update_incident", arguments | {"version": version[0]["version"]}).execute()

    rita = visit("responder")
    page = rita.page
    page.goto(f"{rita.desk}/incident?id={incident['id']}")
    expect(page.get_by_text("What happened")).to_be_visible()
    page.evaluate("window.opened = true")
    note(f"Seen before the restart {mark}")
    expect(page.get_by_text(f"Seen before the restart {mark}")).to_be_visible(timeout=PUSHED)

    os.kill(sandbox.desk_process(), signal.SIGKILL)
    expect(page.get_by_text(f"Seen before the restart {mark}")).to_be_visible()
    until(sandbox.desk_is_up, "the desk is back")
    note(f"Seen after the restart {mark}")
    expect(page.get_by_text(f"Seen after the restart {mark}")).to_be_visible(timeout=PUSHED)
    note(f"Told by push again {mark}")
    expect(page.get_by_text(f"Told by push again {mark}")).to_be_visible(timeout=PUSHED)
    assert page.evaluate("window.opened"), "the page was loaded anew"

    hidden = "Object.defineProperty(document, 'hidden', { configurable: true, get: () => true })"
    page.evaluate(hidden)
    other = rita.open_tab(f"/incident?id={incident['id']}")
    expect(other.get_by_text(f"Told by push again {mark}")).to_be_visible()
    note(f"While one tab is hidden {mark}")
    expect(other.get_by_text(f"While one tab is hidden {mark}")).to_be_visible(timeout=PUSHED)
    expect(page.get_by_text(f"While one tab is hidden {mark}")).to_have_count(0)
    page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.get_by_text(f"While one tab is hidden {mark}")).to_be_visible(timeout=PUSHED)

    other.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("You are signed out")).to_be_visible(timeout=PUSHED)
    rita.complaints.clear()  # a browser says of every address that does not answer
