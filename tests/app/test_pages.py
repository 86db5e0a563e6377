"""Each page by itself: what it says when there is nothing, and to whom."""

from __future__ import annotations

import pytest

from dashboard.errors import UpstreamUnreachable
from dashboard.store import approvals, executions, incidents, postmortems
from dashboard.store.incidents import IncidentPage
from dashboard.store.people import Role
from dashboard.ui import session
from tests.app.conftest import Open, person, words
from tests.app.examples import (
    INCIDENT_ID,
    ago,
    make_analysis,
    make_incident,
    make_run,
    make_start,
    make_waiting,
)

PAGES = ["overview", "submit", "incidents", "approvals", "postmortems"]


@pytest.mark.parametrize("name", PAGES)
def test_every_page_opens_on_an_empty_organization(open_page: Open, name: str) -> None:
    assert not open_page(name).exception


@pytest.mark.parametrize("name", [*PAGES, "incident", "approval", "postmortem"])
def test_without_a_session_no_page_says_anything(
    open_page: Open, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(session, "current_user", lambda: None)
    app = open_page(name, id=INCIDENT_ID)
    assert not app.exception
    assert [warning.value for warning in app.warning] == ["What was submitted or decided is saved."]
    assert not app.title


def test_a_viewer_is_not_offered_what_they_may_not_do(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "current_user", lambda: person(Role.VIEWER, "Vera Viewer"))
    assert not [button for button in open_page().button if button.key == "frame_submit"]
    app = open_page("submit")
    assert "your role is viewer" in words(app)
    assert not app.button


@pytest.mark.parametrize(
    ("name", "link"), [("incident", "incident"), ("approval", "approval"), ("postmortem", "incident")]
)
@pytest.mark.parametrize("address", [{}, {"id": "'; drop table incidents; --"}])
def test_an_address_without_an_id_says_so(
    open_page: Open, name: str, link: str, address: dict[str, str]
) -> None:
    assert f"This address names no {link}." in words(open_page(name, **address))


class TestOverview:
    def test_nothing_needs_you(self, open_page: Open) -> None:
        text = words(open_page())
        assert "Nothing needs you." in text
        assert "Nothing is running." in text

    def test_what_i_may_decide_stands_first(self, open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
        others = make_waiting(id=INCIDENT_ID, may_decide=False, why_not="You submitted this incident.")
        monkeypatch.setattr(approvals, "list_waiting", lambda _: (make_waiting(), others))
        app = open_page()
        text = words(app)
        assert "Restart payment-api" in text
        assert "You submitted this incident" not in text
        assert any("1 for you" in str(link.label) for link in app.get("page_link"))

    def test_starts_and_runs_are_told_apart(self, open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(executions, "list_starting", lambda _: (make_start(),))
        monkeypatch.setattr(executions, "list_running", lambda _: (make_run(),))
        monkeypatch.setattr(incidents, "find_incidents", lambda *_: {INCIDENT_ID: make_incident()})
        text = words(open_page())
        assert "Being started since 3 s ago" in text
        assert "Analyse the cause, for" in text


class TestIncidents:
    def test_filters_live_in_the_address(self, open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[dict[str, object]] = []

        def listed(_: object, **filters: object) -> IncidentPage:
            asked.append(filters)
            return IncidentPage((make_incident(),), False)

        monkeypatch.setattr(incidents, "list_incidents", listed)
        text = words(open_page("incidents", q="pool", status="investigating", severity="MEDIUM"))
        assert asked[-1] == {
            "search": "pool",
            "statuses": ["investigating"],
            "severities": ["MEDIUM"],
            "page": 1,
        }
        assert "No incident matches." not in text

    def test_filtered_out_is_not_the_same_as_none(self, open_page: Open) -> None:
        assert "There are no incidents yet." in words(open_page("incidents"))
        assert "No incident matches." in words(open_page("incidents", q="nothing like it"))

    def test_an_unreachable_supabase_is_said(self, open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object, **__: object) -> None:
            raise UpstreamUnreachable("Supabase", "Supabase cannot be reached (ConnectError).")

        monkeypatch.setattr(incidents, "list_incidents", fail)
        app = open_page("incidents")
        assert not app.exception
        assert "Supabase cannot be reached (ConnectError)." in words(app)

    @pytest.mark.parametrize(
        ("name", "function"), [("incidents", "list_incidents"), ("overview", "list_needing_people")]
    )
    def test_what_was_known_stays_on_screen_with_its_age(
        self, open_page: Open, monkeypatch: pytest.MonkeyPatch, name: str, function: str
    ) -> None:
        def fail(*_: object, **__: object) -> None:
            raise UpstreamUnreachable("Supabase", "Supabase cannot be reached (ConnectError).")

        found = (make_incident(),)
        monkeypatch.setattr(incidents, "list_incidents", lambda *_, **__: IncidentPage(found, False))
        monkeypatch.setattr(incidents, "list_needing_people", lambda *_: found)
        app = open_page(name)
        assert "Supabase cannot be reached" not in words(app)
        monkeypatch.setattr(incidents, function, fail)
        text = words(app.run())
        assert "Shown is what was known just now" in text
        assert "payment-api" in text


class TestPostmortem:
    def test_each_statement_has_its_evidence_and_one_without_says_so(
        self, open_page: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(incidents, "get_incident", lambda *_: make_incident(status="resolved"))
        monkeypatch.setattr(postmortems, "find_analysis", lambda *_: make_analysis(completed_at=ago(5)))
        text = words(open_page("postmortem", id=INCIDENT_ID))
        assert (
            "Payments timed out because the database pool was exhausted. :blue-badge[1] :blue-badge[2]"
            in text
        )
        assert "Nobody knows why the connections died. :orange-badge[no evidence]" in text
        assert "Written by the model `demo-model`" in text
        assert "unfinished" not in text

    def test_an_unfinished_one_says_so_and_names_its_problem(
        self, open_page: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cut = make_analysis(documentation=None, problem="The answer was cut off (MAX_TOKENS).")
        monkeypatch.setattr(incidents, "get_incident", lambda *_: make_incident())
        monkeypatch.setattr(postmortems, "find_analysis", lambda *_: cut)
        text = words(open_page("postmortem", id=INCIDENT_ID))
        assert "this document is unfinished" in text
        assert "The answer was cut off" in text
        assert "Not written." in text

    def test_a_document_made_of_hostile_text_shows_it_and_does_nothing(
        self, open_page: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        evil = "![x](https://evil.example/?a) [Approve](https://evil.example) :green-badge[resolved]"
        hostile = make_analysis(
            documentation={"executive_summary": [{"text": evil, "evidence": [1]}]}, model=evil, problem=evil
        )
        monkeypatch.setattr(incidents, "get_incident", lambda *_: make_incident(title=evil, service=evil))
        monkeypatch.setattr(postmortems, "find_analysis", lambda *_: hostile)
        app = open_page("postmortem", id=INCIDENT_ID)
        assert not app.exception
        for element in [*app.markdown, *app.title, *app.warning, *app.caption]:
            outside_code = "".join(str(element.value).split("`")[::2])
            assert "](" not in outside_code
            assert "[resolved]" not in outside_code
