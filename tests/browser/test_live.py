"""An open page is told what the engine does, while somebody types into it."""

import os
import re
import secrets
import signal
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, WebSocket, expect

from tests.browser.conftest import Visitor
from tests.smoke import incident
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


# In one task of the browser: the page asks for the news it slept through, and a hand opens a block.
_WAKE_AND_CLICK = """(control, after) => {
  delete document.hidden
  document.dispatchEvent(new Event("visibilitychange"))
  if (after) setTimeout(() => control.click(), after)
  else control.click()
}"""
_HIDE = "Object.defineProperty(document, 'hidden', { configurable: true, get: () => true })"


def waiting_approval(sandbox: RunningSandbox, incident_id: str) -> dict[str, Any]:
    approvals = sandbox.client("approver").table("approvals").select("*")
    pending = approvals.eq("incident_id", incident_id).eq("status", "pending")
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
    incident_id = re.findall(r"id=([0-9a-f-]{36})", rita.page.url)[0]
    waiting = waiting_approval(sandbox, incident_id)
    expect(rita.page.locator("output", has_text="Waiting for a decision").first).to_be_visible()
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
    assert said[0] == "Waiting for a decision"
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
    found: Any = imported.limit(1).execute().data[0]
    versions = admin.table("incidents").select("version").eq("id", found["id"])

    mark = secrets.token_hex(4)

    def note(text: str) -> None:
        version: Any = versions.execute().data
        arguments = {"incident_id": found["id"], "kind": "note", "payload": {"text": text}}
        admin.rpc("update_incident", arguments | {"version": version[0]["version"]}).execute()

    rita = visit("responder")
    page = rita.page
    page.goto(f"{rita.desk}/incident?id={found['id']}")
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
    other = rita.open_tab(f"/incident?id={found['id']}")
    expect(other.get_by_text(f"Told by push again {mark}")).to_be_visible()
    note(f"While one tab is hidden {mark}")
    expect(other.get_by_text(f"While one tab is hidden {mark}")).to_be_visible(timeout=PUSHED)
    expect(page.get_by_text(f"While one tab is hidden {mark}")).to_have_count(0)
    page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.get_by_text(f"While one tab is hidden {mark}")).to_be_visible(timeout=PUSHED)

    other.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("You are signed out")).to_be_visible(timeout=PUSHED)
    rita.complaints.clear()  # a browser says of every address that does not answer


def test_a_click_that_meets_news_is_not_taken_for_them(
    visit: Callable[..., Visitor], sandbox: RunningSandbox
) -> None:
    rita: Any = sandbox.client("responder")
    payload = incident("event-stream", "MEDIUM", f"A click meets news {secrets.token_hex(4)}")
    made = rita.rpc("submit_incident", {"payload": payload}).execute().data["incident_id"]
    waiting = waiting_approval(sandbox, made)
    ana = visit("approver")
    told: list[str | bytes] = []

    def listen(socket: WebSocket) -> None:
        if "/live?" in socket.url:
            socket.on("framereceived", lambda frame: told.append(frame))

    ana.page.on("websocket", listen)
    ana.page.goto(f"{ana.desk}/approval?id={waiting['id']}")
    closed = ana.page.get_by_text("Change the proposal")
    expect(closed).to_be_visible()
    # What opening the page itself is news of is over.
    expect(ana.page.get_by_text("Nobody else has looked at this version yet.")).to_be_visible()
    ana.page.evaluate(_HIDE)

    def tell(text: str) -> None:
        before = len(told)
        version: Any = rita.table("incidents").select("version").eq("id", made).single().execute().data
        note = {"kind": "note", "payload": {"text": text}, "version": version["version"]}
        rita.rpc("update_incident", {"incident_id": made, **note}).execute()
        until(lambda: ana.page.wait_for_timeout(50) or len(told) > before, "the page is told")

    tell("Look at this.")
    closed.evaluate(_WAKE_AND_CLICK, 0)
    expect(ana.page.get_by_label("instances", exact=True)).to_be_visible(timeout=10_000)

    # Nor does the page to which a link leads stay empty, whenever the press falls between two runs.
    for number, after in enumerate((0, 5, 0, 5, 0, 5)):
        ana.page.goto(f"{ana.desk}/incident?id={made}")
        link = ana.page.get_by_role("link", name="The proposal", exact=True)
        expect(link).to_be_visible()
        expect(ana.page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
        ana.page.evaluate(_HIDE)
        tell(f"And at that, {number}.")
        link.evaluate(_WAKE_AND_CLICK, after)
        expect(ana.page.get_by_role("button", name=re.compile("^Reject: "))).to_be_visible(timeout=10_000)
