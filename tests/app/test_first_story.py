"""The guided first story on the overview: three steps that tick themselves, until they are put away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.domain.first_story import FirstStory
from dashboard.errors import UpstreamUnreachable
from dashboard.store import hints, overview
from dashboard.store.people import Role
from dashboard.ui import session
from tests.app.conftest import Open, person, words
from tests.app.examples import INCIDENT_ID, make_attention, make_overview

APPROVAL_ID = "7a0c7b7e-0000-4000-8000-000000000002"
NOTHING = FirstStory()
SUBMITTED = FirstStory(incident_id=INCIDENT_ID, external_id="INC-1")


def later(story: FirstStory, **more: Any) -> FirstStory:
    return FirstStory.model_validate(story.model_dump() | more)


ASKED = later(
    SUBMITTED, approval_id=APPROVAL_ID, approval_status="pending", deciders=("Ana *Approver*", "Ada")
)
DECIDED = later(ASKED, approval_status="approved", decided_by_name="Ana", is_written=True)

Tell = Callable[..., AppTest]


@pytest.fixture
def tell(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> Tell:
    def told(story: FirstStory | None, role: Role = Role.RESPONDER, *, is_demo: bool = True) -> AppTest:
        reader = replace(person(role, "Rita Responder"), is_demo=is_demo)
        monkeypatch.setattr(session, "current_user", lambda: reader)
        monkeypatch.setattr(hints, "find_first_story", lambda _: story)
        app = open_page()
        assert not app.exception
        return app

    return told


def links(app: AppTest) -> list[tuple[str, str]]:
    return [(link.proto.label, link.proto.query_string) for link in app.get("page_link")]


def switches(app: AppTest) -> str:
    return "\n".join(str(element.proto) for element in app.get("bidi_component"))


def test_it_begins_at_the_samples(tell: Tell) -> None:
    app = tell(NOTHING)
    assert "0 of 3 done" in words(app)
    assert "1 next] **Submit the MEDIUM sample" in words(app)
    assert ("Go to the samples", "tab=samples") in links(app)
    assert "Simulated: the service that is acted on" in words(app)
    assert "Real: the flow engine, the database" in words(app)


def test_what_needs_the_reader_stands_before_the_story(tell: Tell, monkeypatch: pytest.MonkeyPatch) -> None:
    def headings() -> list[str]:
        return [heading.value for heading in tell(ASKED).subheader]

    assert headings()[:2] == ["Your first five minutes", "Needs you"]
    seen = make_overview(attention=(make_attention(),))
    monkeypatch.setattr(overview, "get_overview", lambda _: seen)
    assert headings()[:3] == ["Needs you", "Your first five minutes", "Running now"]


def test_somebody_who_only_reads_is_led_to_a_responder(tell: Tell) -> None:
    app = tell(NOTHING, Role.VIEWER)
    assert "Go to the samples" not in dict(links(app))
    assert "/login?next=%2Fsubmit%3Ftab%3Dsamples" in switches(app)


def test_each_step_ticks_itself(tell: Tell) -> None:
    for story, ticked in ((SUBMITTED, 1), (ASKED, 2), (DECIDED, 3)):
        text = words(tell(story))
        assert f"{ticked} of 3 done" in text
        found = [f"{number} done] **" in text for number in (1, 2, 3)]
        assert found == [number <= ticked for number in (1, 2, 3)]


def test_who_may_not_decide_is_told_who_may_and_how_to_become_one(tell: Tell) -> None:
    app = tell(ASKED)
    assert "Rita Responder may not decide on it. These may: Ana *Approver*, Ada." in words(app)
    assert f"/login?next=%2Fapproval%3Fid%3D{APPROVAL_ID}" in switches(app)


def test_who_may_decide_is_led_to_the_decision(tell: Tell) -> None:
    app = tell(later(ASKED, may_decide=True), Role.APPROVER)
    assert ("Read and decide", f"id={APPROVAL_ID}") in links(app)


@pytest.mark.parametrize("status", ["expired", "cancelled"])
def test_one_that_nobody_decided_begins_again(tell: Tell, status: str) -> None:
    app = tell(later(ASKED, approval_status=status))
    assert "ended before anybody decided" in words(app)
    assert ("Go to the samples", "tab=samples") in links(app)


def test_at_the_end_it_leads_to_what_was_written(tell: Tell) -> None:
    assert ("Read the postmortem", f"id={INCIDENT_ID}") in links(tell(DECIDED))
    assert "is being written now" in words(tell(later(DECIDED, is_written=False)))


@pytest.mark.parametrize(("story", "is_demo"), [(None, True), (NOTHING, False)])
def test_it_is_not_there_for_who_put_it_away_and_outside_a_demo(
    tell: Tell, story: Any, is_demo: bool
) -> None:
    assert "first five minutes" not in words(tell(story, is_demo=is_demo))


def test_put_away_it_is_gone_at_once_and_for_good(tell: Tell, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(hints, "dismiss_first_story", lambda _: asked.append("dismissed"))
    app = tell(NOTHING)
    app.button(key="first_story_dismiss").click().run()
    assert asked == ["dismissed"]
    assert "first five minutes" not in words(app)


def test_where_it_could_not_be_put_away_it_says_so_and_stays(
    tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: object) -> None:
        raise UpstreamUnreachable("Supabase", "Supabase cannot be reached.")

    monkeypatch.setattr(hints, "dismiss_first_story", away)
    app = tell(NOTHING)
    app.button(key="first_story_dismiss").click().run()
    assert "Supabase cannot be reached" in words(app)
    assert "first five minutes" in words(app)
