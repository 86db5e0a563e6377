"""The library and one document: found by a word, written by two people, reviewed, published, taken along."""

import re
from collections.abc import Callable
from pathlib import Path

import pypdf
import pytest
from playwright.sync_api import Locator, Page, expect

from dashboard.domain.document import Document
from tests.browser.conftest import PHONE, Visitor
from tests.support.sandbox import RunningSandbox

pytestmark = [pytest.mark.browser, pytest.mark.engine]
expect.set_options(timeout=60_000)


def button(page: Page, key: str) -> Locator:
    return page.locator(f".st-key-{key} button:visible").first


def field(page: Page, section: str) -> Locator:
    return page.locator(f"[class*='st-key-text_{section}_'] textarea")


def write(page: Page, section: str, text: str) -> None:
    field(page, section).fill(text)
    button(page, f"save_{section}").click()


def test_a_document_is_found_written_by_two_published_and_taken_along(
    visit: Callable[..., Visitor], sandbox: RunningSandbox, tmp_path: Path
) -> None:
    rita = visit("responder")
    rita.page.goto(f"{rita.desk}/postmortems")
    search = rita.page.get_by_role("textbox", name="Search the full text")
    search.fill('pool "card payments failed" -nothing')
    search.press("Enter")
    expect(rita.page.get_by_role("strong").filter(has_text="pool").first).to_be_visible()
    expect(rita.page).to_have_url(re.compile("q=pool"))
    rita.shot("postmortems-search")
    rita.page.get_by_role("link", name="Read INC-2041").click()
    expect(rita.page.get_by_role("heading", name="Root cause")).to_be_visible()
    address = rita.page.url

    # A citation leads to its evidence, on the page and by a link that can be sent.
    rita.page.locator("a[href='#evidence-7']").first.click()
    expect(rita.page.locator("#evidence-7")).to_be_in_viewport()
    linked = rita.open_tab(f"{address.removeprefix(rita.desk)}&evidence=7")
    expect(linked.get_by_text("linked")).to_be_visible()
    linked.close()

    # Both begin on the same text; the second is shown both and chooses.
    ana = visit("approver", viewport=PHONE, color_scheme="dark")
    ana.page.goto(address)
    for page in (rita.page, ana.page):
        button(page, "edit_summary").click()
        expect(field(page, "summary")).to_have_value(re.compile("Card payments failed"))
    write(rita.page, "summary", "Card payments failed for 37 minutes [1].\n\n- found by **Rita**")
    expect(field(rita.page, "summary")).to_have_count(0)
    expect(rita.page.get_by_text("found by Rita").first).to_be_visible()
    # Nobody reloads: the phone hears of it while its own text is open.
    expect(ana.page.get_by_text("Two people wrote here")).to_be_visible()
    field(ana.page, "summary").fill("Card payments failed [1]. Ana adds: [a](https://evil.example) ![x](y)")
    ana.shot("postmortem-two-texts-phone-dark")
    button(ana.page, "save_summary").click()
    expect(field(ana.page, "summary")).to_have_count(0)
    expect(ana.page.get_by_text("Ana adds").first).to_be_visible()
    expect(ana.page.get_by_role("img", name="x")).to_have_count(0)
    assert ana.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]

    # A section of one's own, while the other reads.
    button(rita.page, "edit_lessons").click()
    write(rita.page, "lessons", "Pool sizes belong into the review of a release.")
    expect(ana.page.get_by_text("Pool sizes belong into the review").first).to_be_visible()

    # What was typed and not saved is there after a reload.
    button(rita.page, "edit_impact").click()
    field(rita.page, "impact").fill("Half a sentence")
    field(rita.page, "impact").blur()
    expect(ana.page.get_by_text("Rita Responder is writing in Impact")).to_be_visible()
    rita.page.reload()
    button(rita.page, "resume_impact").click()
    expect(field(rita.page, "impact")).to_have_value("Half a sentence")
    button(rita.page, "cancel_impact").click()

    rita.page.get_by_role("button", name="Take it over").first.click()
    expect(rita.page.get_by_text("the model suggests")).to_have_count(0)
    button(rita.page, "to_in_review").click()
    expect(button(rita.page, "to_published")).to_be_disabled()
    button(ana.page, "to_published").click()
    expect(rita.page.get_by_text("Ana Approver published it").first).to_be_visible()
    rita.shot("postmortem-published")
    ana.shot("postmortem-published-phone-dark")

    files = {}
    for extension in ("md", "html", "pdf", "json"):
        if not button(rita.page, f"export_{extension}").is_visible():
            button(rita.page, "export").click()
        with rita.page.expect_download() as started:
            button(rita.page, f"export_{extension}").click()
        assert re.fullmatch(rf"postmortem-INC-\d+-v\d+\.{extension}", started.value.suggested_filename)
        files[extension] = tmp_path / f"document.{extension}"
        started.value.save_as(files[extension])
    for extension in ("md", "html", "json"):
        assert "Pool sizes belong into the review" in files[extension].read_text()
    pages = " ".join(page.extract_text() for page in pypdf.PdfReader(files["pdf"]).pages)
    assert "Pool sizes belong into the review" in " ".join(pages.split())
    assert Document.model_validate_json(files["json"].read_text()).status == "published"
    exported = rita.context.new_page()
    exported.goto(files["html"].as_uri())
    expect(exported.get_by_role("heading", name="Lessons")).to_be_visible()
    exported.close()
