"""Each page by itself: what it says when there is nothing, and to whom."""

from __future__ import annotations

import pytest

from dashboard.domain.clock import parse_instant
from dashboard.domain.listing import IncidentFilters, IncidentPage
from dashboard.domain.overview import Trend
from dashboard.domain.postmortem import OverdueItem
from dashboard.errors import UpstreamUnreachable
from dashboard.store import action_items, incidents, overview
from dashboard.store.people import Role
from dashboard.ui import session
from tests.app.conftest import Open, person, words
from tests.app.examples import (
    APPROVAL_ID,
    INCIDENT_ID,
    ago,
    make_attention,
    make_listed,
    make_overview,
    make_page,
    make_waiting,
)

PAGES = ["overview", "submit", "incidents", "approvals", "postmortems", "system"]


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
    def test_nothing_needs_you_and_what_was_decided_last(
        self, open_page: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        text = words(open_page())
        assert "Nothing needs you." in text
        assert "Nothing was decided yet." in text
        assert "Nothing is running." in text
        last = {"id": APPROVAL_ID, "status": "approved", "by": "Ana Approver", "at": ago(600)}
        monkeypatch.setattr(overview, "get_overview", lambda _: make_overview(last_decision=last))
        assert f"Last decision {ago(600):%H:%M} UTC by Ana Approver, 10 min ago" in words(open_page())

    def test_what_i_may_decide_stands_first_and_the_rest_is_counted(
        self, open_page: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        others = make_waiting(id=INCIDENT_ID, may_decide=False, why_not="You submitted this incident.")
        seen = make_overview(waiting=(make_waiting(), others), attention=(make_attention(),))
        monkeypatch.setattr(overview, "get_overview", lambda _: seen)
        app = open_page()
        text = words(app)
        assert text.index("Restart payment-api") < text.index("nobody could be told")
        assert "You submitted this incident" not in text
        assert any("1 more waits for somebody else" in str(link.label) for link in app.get("page_link"))

    def test_what_somebody_else_has_taken_does_not_need_me(
        self, open_page: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen = make_overview(attention=(make_attention(holder="Ben", title="Taken by Ben"),))
        monkeypatch.setattr(overview, "get_overview", lambda _: seen)
        app = open_page()
        assert "Nothing needs you." in words(app)
        assert any("1 is in somebody else's hands" in str(link.label) for link in app.get("page_link"))

    def test_of_many_that_wait_the_nearest_deadlines_are_listed(
        self, open_page: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        many = tuple(make_waiting(id=str(number), title=f"Number {number} waits") for number in range(12))
        monkeypatch.setattr(overview, "get_overview", lambda _: make_overview(waiting=many))
        app = open_page()
        text = words(app)
        assert ("Number 9 waits" in text, "Number 10 waits" in text) == (True, False)
        assert any("2 more wait for a decision" in str(link.label) for link in app.get("page_link"))

    def test_overdue_action_items_of_mine_and_of_nobody_need_me(
        self, open_page: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def item(number: int, title: str, owner: str | None) -> OverdueItem:
            return OverdueItem.model_validate(
                {
                    "id": f"{number}c9e6679-7425-40de-944b-e07fc1f90ae7",
                    "incident_id": INCIDENT_ID,
                    "title": title,
                    "owner_id": owner,
                    "owner_name": owner and "Somebody",
                    "due_at": ago(90_000),
                    "created_at": ago(900_000),
                    "external_id": "INC-1",
                    "service": "payment-api",
                    "incident_title": "Pool exhausted",
                }
            )

        me = person().person.user_id
        items = (item(1, "Mine", me), item(2, "Nobody's", None), item(3, "Theirs", APPROVAL_ID))
        monkeypatch.setattr(action_items, "list_overdue", lambda _: items)
        text = words(open_page())
        assert "Mine" in text
        assert "Nobody's" in text
        assert "Theirs" not in text

    def test_a_viewer_sees_what_waits_for_whomever(
        self, open_page: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen = make_overview(attention=(make_attention(holder="Ben", title="Taken by Ben"),))
        monkeypatch.setattr(overview, "get_overview", lambda _: seen)
        monkeypatch.setattr(session, "current_user", lambda: person(Role.VIEWER, "Vera Viewer"))
        app = open_page()
        assert "Taken by Ben" in words(app)
        assert app.subheader[0].value == "Needs somebody"

    def test_starts_runs_and_pauses_are_told_apart(
        self, open_page: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        about = {
            "incident_id": INCIDENT_ID,
            "external_id": "INC-1",
            "title": "Pool",
            "service": "payment-api",
            "severity": "MEDIUM",
        }
        seen = make_overview(
            starting=[about | {"owed_since": ago(3), "last_error": "Kestra cannot be reached."}],
            running=[
                about | {"state": "RUNNING", "step": "ai_agent_analyze", "started_at": ago(90)},
                about | {"state": "PAUSED", "step": "require_approval_medium", "started_at": ago(90)},
            ],
        )
        monkeypatch.setattr(overview, "get_overview", lambda _: seen)
        text = words(open_page())
        for said in (
            "being started",
            "Kestra cannot be reached.",
            "working",
            "Analyse the cause",
            "Waiting for a decision",
        ):
            assert said in text
        assert "Wait for a decision" not in text  # the step says no more than the state

    def test_each_part_that_is_away_has_a_sentence_of_its_own(
        self, open_page: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        alarm = {
            "id": 1,
            "kind": "kestra_unreachable",
            "sentence": "Kestra cannot be reached (ConnectError).",
            "means": "Runs are not followed.",
            "to_do": "Check the service.",
            "raised_at": ago(60),
            "seen_at": ago(1),
        }
        model = {"asked": 2, "problems": 2, "problem": "the model gave no answer", "problem_at": ago(30)}
        seen = make_overview(alarms=[alarm], worker_seen_at=None, model=model)
        monkeypatch.setattr(overview, "get_overview", lambda _: seen)
        app = open_page()
        assert {warning.proto.title for warning in app.warning} == {
            "Kestra does not answer",
            "No worker is alive",
            "The model gave no usable answer",
        }
        assert "the model gave no answer, 30 s ago" in words(app)

    def test_the_last_day_stands_against_the_week_before(
        self, open_page: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        reported = [{"day": 7, "severity": "HIGH", "count": 3}, {"day": 2, "severity": "UNKNOWN", "count": 7}]
        pace = {"today": 90, "today_count": 2, "before": 180, "before_count": 4, "days": [None] * 7 + [90]}
        trend = Trend.model_validate({"now": ago(0), "reported": reported, "approved": pace})
        monkeypatch.setattr(overview, "get_trend", lambda _: trend)
        metrics = {metric.label: metric for metric in open_page().metric}
        assert (metrics["Reported"].value, metrics["Reported"].delta) == ("3", "2.0")
        assert (metrics["HIGH"].value, metrics["LOW"].value) == ("3", "0")
        assert (metrics["Approved in"].value, metrics["Approved in"].delta) == ("1 min", "-50 %")
        assert metrics["Resolved in"].value == "none"
        # Bars, also of times: a day without a decision is no bar, and no point of a line at zero.
        bar = metrics["Reported"].proto.chart_type
        assert metrics["Approved in"].proto.chart_type == bar
        assert list(metrics["Approved in"].proto.chart_data) == [0] * 7 + [90]


class TestIncidents:
    def test_filters_live_in_the_address(self, open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[tuple[IncidentFilters, int]] = []

        def listed(_: object, filters: IncidentFilters, page: int) -> IncidentPage:
            asked.append((filters, page))
            return make_page(make_listed())

        monkeypatch.setattr(incidents, "list_incidents", listed)
        text = words(
            open_page(
                "incidents",
                q="pool",
                status="investigating",
                severity="MEDIUM",
                mine="true",
                since="2026-11-01T00:00:00Z",
                fact="reopened",
            )
        )
        [(filters, page)] = asked
        assert page == 1
        assert filters == IncidentFilters(
            search="pool",
            statuses=("investigating",),
            severities=("MEDIUM",),
            since=parse_instant("2026-11-01T00:00:00Z"),
            fact="reopened",
            mine=True,
        )
        assert "Only those reported from 2026-11-01 00:00:00 UTC, reopened." in text

    def test_a_row_says_how_it_stands_and_for_whom_it_waits(
        self, open_page: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        waits = {"what": "decision", "you": True, "who": "approver or more"}
        some = make_page(
            make_listed(status="awaiting_approval", state="PAUSED", waits_for=waits),
            make_listed(id=APPROVAL_ID, waits_for={"what": "person"}, state="FAILED"),
        )
        monkeypatch.setattr(incidents, "list_incidents", lambda *_: some)
        text = words(open_page("incidents"))
        for said in (
            "awaiting approval",
            "Waiting for a decision",
            "you",
            "to decide",
            "Failed",
            "a person, nobody yet",
        ):
            assert said in text
        assert f"/incident?id={INCIDENT_ID}" in text

    def test_filtered_out_is_not_the_same_as_none(self, open_page: Open) -> None:
        assert "There are no incidents yet." in words(open_page("incidents"))
        assert "No incident matches." in words(open_page("incidents", q="nothing like it"))

    def test_an_unreachable_supabase_is_said_below_the_title(
        self, open_page: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(incidents, "list_incidents", fail)
        app = open_page("incidents")
        assert not app.exception
        assert [title.value for title in app.title] == ["Incidents"]
        assert "Supabase cannot be reached (ConnectError)." in words(app)

    @pytest.mark.parametrize(
        ("name", "module", "function"),
        [("incidents", incidents, "list_incidents"), ("overview", overview, "get_overview")],
    )
    def test_what_was_known_stays_on_screen_with_its_age(
        self, open_page: Open, monkeypatch: pytest.MonkeyPatch, name: str, module: object, function: str
    ) -> None:
        monkeypatch.setattr(incidents, "list_incidents", lambda *_: make_page(make_listed()))
        monkeypatch.setattr(overview, "get_overview", lambda _: make_overview(attention=(make_attention(),)))
        app = open_page(name)
        assert "Supabase cannot be reached" not in words(app)
        monkeypatch.setattr(module, function, fail)
        text = words(app.run())
        assert "Shown is what was known" in text
        assert "payment-api" in text


def fail(*_: object, **__: object) -> None:
    raise UpstreamUnreachable("Supabase", "Supabase cannot be reached (ConnectError).")
