"""A page that is open while Postgres is away: it says so, shows what it knew, and comes back by itself."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visitor
from tests.smoke import Story, incident
from tests.support.outage import without_postgres
from tests.support.sandbox import RunningSandbox

pytestmark = [pytest.mark.browser, pytest.mark.engine]

PATIENCE = 20_000  # ms
expect.set_options(timeout=60_000)


def test_an_open_page_says_that_supabase_is_away_and_shows_fresh_data_after_it_without_a_reload(
    visit: Callable[..., Visitor], sandbox: RunningSandbox
) -> None:
    story = Story(sandbox)
    reported = incident("checkout-web", "MEDIUM", "Seen through an outage")
    made = story.submit(story.rita, reported)
    approval = story.approval(made)
    vera = visit("viewer")
    overview = vera.page
    expect(overview.get_by_text(reported["title"]).first).to_be_visible()
    page = vera.open_tab(f"/incident?id={made}")
    heading = page.get_by_role("heading", name=reported["title"])
    expect(heading).to_be_visible()
    expect(page.get_by_text("waiting for a decision").first).to_be_visible()
    page.evaluate("window.neverLoadedAnew = true")

    with without_postgres(sandbox):
        warning = page.get_by_role("alert").filter(has_text="Supabase does not answer")
        expect(warning).to_be_visible(timeout=PATIENCE)
        expect(warning).to_contain_text(re.compile(r"Shown is what was known .* ago \(.* UTC\)"))
        expect(heading).to_be_visible()
        expect(page.get_by_text("waiting for a decision").first).to_be_visible()
        expect(overview.get_by_role("alert")).to_contain_text("Shown is what was known")
        expect(overview.get_by_text(reported["title"]).first).to_be_visible()
        # Older from look to look: the age counts on.
        expect(warning).to_contain_text(re.compile(r"known ([5-9]|\d\d) s ago"), timeout=PATIENCE)

    expect(warning).to_have_count(0, timeout=PATIENCE)
    expect(overview.get_by_role("alert").filter(has_text="Supabase")).to_have_count(0, timeout=PATIENCE)
    assert story.submit(story.rita, reported) == made
    expect(page.get_by_text("seen 2 times")).to_be_visible(timeout=PATIENCE)
    assert page.evaluate("window.neverLoadedAnew"), "the page was loaded anew"
    story.decide(story.ana, approval, "rejected", "The outage is over")
    story.ended(made)
