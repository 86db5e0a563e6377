"""The story with two people in two browsers; the decision on a phone."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PHONE, Visitor
from tests.support.sandbox import RunningSandbox
from tests.support.until import until

pytestmark = [pytest.mark.browser, pytest.mark.engine]
expect.set_options(timeout=60_000)


def identifier(page: Page) -> str:
    """The id in a page's address."""
    found = re.search(r"id=([0-9a-f-]{36})", page.url)
    assert found is not None, page.url
    return found[1]


def test_a_responder_submits_an_approver_decides_and_both_read_what_was_learned(
    visit: Callable[..., Visitor], sandbox: RunningSandbox
) -> None:
    before = sandbox.restarts().get("payment-api", 0)
    rita = visit("responder")
    rita.shot("overview")

    rita.page.get_by_role("button", name="Submit incident").click()
    rita.page.get_by_role("tab", name="Samples").click()
    rita.page.get_by_role("button", name="Submit MEDIUM sample").wait_for()
    rita.shot("submit-samples")
    rita.page.get_by_role("button", name="Submit MEDIUM sample").click()
    rita.page.wait_for_url("**/incident?id=*")
    incident = identifier(rita.page)
    expect(rita.page.get_by_text("waiting for a decision").first).to_be_visible()
    rita.shot("incident-waiting")
    assert sandbox.restarts().get("payment-api", 0) == before, "acted before anybody approved"

    ana = visit("approver", viewport=PHONE, color_scheme="dark")
    ana.page.goto(f"{ana.desk}/approvals")
    expect(ana.page.get_by_role("heading", name="Approvals")).to_be_visible()
    query = sandbox.client("viewer").table("approvals").select("id, content_hash").eq("incident_id", incident)
    waiting = query.execute().data[0]
    expect(ana.page.get_by_text("Restart").first).to_be_visible()
    ana.shot("approvals-phone-dark")

    own = rita.open_tab(f"/approval?id={waiting['id']}")
    expect(own.get_by_text("You cannot decide on this")).to_be_visible()
    expect(own.get_by_role("button", name=re.compile("^Approve"))).to_have_count(0)
    rita.shot("approval-not-allowed", own)

    ana.page.goto(f"{ana.desk}/approval?id={waiting['id']}")
    approve = ana.page.get_by_role("button", name=re.compile("^Approve: "))
    expect(approve).to_be_visible()
    expect(ana.page.get_by_text(waiting["content_hash"][:12]).first).to_be_visible()
    assert ana.page.evaluate("document.activeElement.tagName") == "BODY", "something has the focus by itself"
    assert ana.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    ana.shot("approval-phone-dark")
    ana.page.get_by_label("Reason").fill("Connections are dead, a restart is safe.")
    approve.click()
    expect(ana.page.get_by_text("Ana Approver").first).to_be_visible()
    expect(own.get_by_text("Connections are dead, a restart is safe.").first).to_be_visible()
    expect(ana.page.get_by_text(re.compile("Outcome")).first).to_be_visible()
    ana.shot("approval-record-phone-dark")

    table = sandbox.client("viewer").table("ai_analyses").select("*").eq("incident_id", incident)
    written = until(
        lambda: table.not_.is_("completed_at", "null").execute().data, "the postmortem is complete"
    )[0]
    assert sandbox.restarts()["payment-api"] == before + 1
    # Nobody reloads: the responder's page finds the end by itself.
    rita.page.get_by_role("link", name="Read the postmortem").or_(
        rita.page.get_by_text("Read the postmortem")
    ).first.click()
    rita.page.wait_for_url("**/postmortem?id=*")
    sentence = written["documentation"]["executive_summary"][0]["text"]
    expect(rita.page.get_by_text(sentence).first).to_be_visible()
    rita.shot("postmortem")
    ana.page.goto(f"{ana.desk}/postmortem?id={incident}")
    expect(ana.page.get_by_text(sentence).first).to_be_visible()
    ana.shot("postmortem-phone-dark")

    again = rita.open_tab(f"/incident?id={incident}")
    expect(again.get_by_text("resolved").first).to_be_visible()
    rita.shot("incident-resolved", again)


def test_each_page_opens_in_a_new_tab_light_and_dark_wide_and_narrow(
    visit: Callable[..., Visitor], sandbox: RunningSandbox
) -> None:
    incident = (
        sandbox.client("viewer")
        .table("incidents")
        .select("id")
        .eq("source", "import")
        .execute()
        .data[0]["id"]
    )
    pages = {
        "overview": "/",
        "submit": "/submit",
        "incidents": "/incidents",
        "incident": f"/incident?id={incident}",
        "approvals": "/approvals",
        "postmortems": "/postmortems",
        "postmortem": f"/postmortem?id={incident}",
    }
    for scheme in ("light", "dark"):
        for size, viewport in {"wide": {"width": 1280, "height": 900}, "phone": PHONE}.items():
            ada = visit("admin", viewport=viewport, color_scheme=scheme)
            for name, path in pages.items():
                tab = ada.open_tab(path)
                expect(tab.get_by_role("heading").first).to_be_visible()
                expect(tab.get_by_test_id("stSkeleton")).to_have_count(0)
                width = tab.evaluate("document.documentElement.scrollWidth")
                assert width <= viewport["width"], f"{name} is {width} px wide on a {size} screen"
                ada.shot(f"{name}-{size}-{scheme}", tab)
                tab.close()


def test_a_deep_link_leads_past_sign_in_to_where_it_pointed(
    visit: Callable[..., Visitor], sandbox: RunningSandbox
) -> None:
    somebody = visit(None)
    somebody.page.goto(f"{somebody.desk}/postmortems")
    expect(somebody.page.get_by_role("heading", name="Sign in")).to_be_visible()
    somebody.shot("sign-in")
    somebody.page.get_by_role("textbox", name="E-mail").fill(sandbox.account("viewer")["email"])
    somebody.page.get_by_label("Password", exact=True).fill("not the password")
    somebody.page.get_by_role("button", name="Sign in", exact=True).click()
    expect(somebody.page.get_by_role("alert")).to_contain_text("Not signed in")
    somebody.page.get_by_role("textbox", name="E-mail").fill(sandbox.account("viewer")["email"])
    somebody.page.get_by_label("Password", exact=True).fill(sandbox.account("viewer")["password"])
    somebody.page.get_by_role("button", name="Sign in", exact=True).click()
    expect(somebody.page.get_by_role("heading", name="Postmortems")).to_be_visible()
    assert somebody.page.url.endswith("/postmortems")
    assert [text.split()[0] for text in somebody.complaints] == ["401"], "only the refused sign-in"
    somebody.complaints.clear()
