"""Insights as a reader meets it: numbers with their rows, definitions, and what is said of nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest

from dashboard.domain.clock import utc_now
from dashboard.domain.insights import Insights
from dashboard.domain.period import Period
from dashboard.errors import UpstreamUnreachable
from dashboard.store import insights
from dashboard.ui import session
from tests.app.conftest import Open, words

SINCE, UNTIL = datetime(2026, 11, 2, tzinfo=UTC), datetime(2026, 11, 16, tzinfo=UTC)
EVERY = {"since": ["2026-11-02T00:00:00.000Z"], "until": ["2026-11-16T00:00:00.000Z"]}


def spread(count: int, median: float, p90: float) -> dict[str, Any]:
    return {"count": count, "median_seconds": median, "p90_seconds": p90}


def counted(**values: Any) -> Insights:
    """Two weeks with three incidents."""
    group = {"count": 2, "reports": 5, "unresolved": 1, "resolve": spread(1, 600, 600)}
    filled: dict[str, Any] = {
        "since": SINCE,
        "until": UNTIL,
        "before_since": SINCE - timedelta(days=14),
        "before_until": SINCE,
        "as_of": utc_now(),
        "count": 3,
        "before": 1,
        "reports": 6,
        "facts": {
            "acknowledged": 2,
            "not_acknowledged": 1,
            "resolved": 2,
            "unresolved": 1,
            "escalation_unacknowledged": 1,
            "model_failed": 1,
            "model_stopped": 1,
            "imported": 2,
        },
        "acknowledge": {"now": spread(2, 90, 170), "before": spread(1, 120, 120)},
        "approve": {"now": spread(1, 240, 240)},
        "resolve": {"now": spread(2, 4000, 7000), "before": spread(1, 3000, 3000)},
        "weeks": [
            {
                "week": "2026-W45",
                "since": SINCE,
                "until": SINCE + timedelta(days=7),
                "count": 2,
                "severities": {"HIGH": 1, "LOW": 1},
            },
            {"week": "2026-W46", "since": SINCE + timedelta(days=7), "until": UNTIL, "count": 1},
        ],
        "services": [{"service": "pay*ment*", **group}],
        "service_count": 1,
        "severities": [{"severity": "HIGH", **group}],
        "approvals": {
            "count": 3,
            "before": 0,
            "groups": [
                {"status": "approved", "outcome": "acted", "count": 2},
                {"status": "expired", "outcome": "none", "count": 1},
            ],
        },
        "model": {
            "incidents": 2,
            "prompt_tokens": 1500,
            "output_tokens": 500,
            "total_tokens": 2000,
            "models": [{"model": "gemini", "runs": 2, "total_tokens": 2000}],
        },
    }
    return Insights.model_validate(filled | values)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Period, tuple[str, ...]]]:
    """What the page asked the store for."""
    seen: list[tuple[Period, tuple[str, ...]]] = []

    def get(_: object, period: Period, services: tuple[str, ...]) -> Insights:
        seen.append((period, services))
        return counted()

    monkeypatch.setattr(insights, "get_insights", get)
    return seen


def links(app: Any) -> dict[str, tuple[str, dict[str, list[str]]]]:
    """Every link by its label: the page it leads to and its filters."""
    found = {}
    for link in app.get("page_link"):
        found[link.proto.label] = (link.proto.page, parse_qs(link.proto.query_string))
    return found


def test_every_number_leads_to_its_rows(open_page: Open, asked: list[Any]) -> None:
    app = open_page("insights")
    assert not app.exception
    found = links(app)
    expected = {
        "2 acknowledged": ("incidents", {"fact": ["acknowledged"]}),
        "1 never acknowledged": ("incidents", {"fact": ["not_acknowledged"]}),
        "1 still open": ("incidents", {"fact": ["unresolved"]}),
        "2 approved and done": ("approvals", {"status": ["approved"], "outcome": ["acted"]}),
        "1 without a decision": ("approvals", {"status": ["pending", "expired", "cancelled"]}),
        "1 acknowledged by nobody": ("incidents", {"fact": ["escalation_unacknowledged"]}),
        "1 with a model failure": ("incidents", {"fact": ["model_failed"]}),
    }
    plain = {label.replace("\\", ""): target for label, target in found.items()}
    for label, (page, query) in expected.items():
        assert plain[label.replace("\\", "")] == (page, EVERY | query), label


def test_the_numbers_the_change_and_the_definitions_are_said(open_page: Open, asked: list[Any]) -> None:
    app = open_page("insights")
    figures = {metric.label: (metric.value, metric.delta) for metric in app.metric}
    assert figures == {
        "Time to acknowledge": ("1 min 30 s", "-30 s"),
        "Time to approve": ("4 min", ""),
        "Time to resolve": ("1 h 6 min", "+16 min 40 s"),
    }
    text = words(app)
    assert "3 incidents were reported from" in text
    assert "2 more than in the 30 days before; 1 is still open. 2 of them are imported history." in text
    assert "Reported again while" in text or "reported again while" in text
    assert all(metric.help for metric in app.metric)


def test_the_charts_are_told_in_words(open_page: Open, asked: list[Any]) -> None:
    charts = open_page("insights").get("plotly_chart")
    assert charts[0].proto.alt == (
        "Incidents reported in each ISO week by severity. 2026-W45: 2, 1 HIGH, 1 LOW; 2026-W46: 1."
    )


def test_tables_show_services_letter_by_letter_with_links(open_page: Open, asked: list[Any]) -> None:
    app = open_page("insights")
    tables = {str(table.value.columns[0]): table.value for table in app.table}
    row = tables["Service"].iloc[0]
    assert row["Service"] == "pay\\*ment\\*"
    assert row["Incidents"].startswith("[2](/incidents?since=2026-11-02")
    assert "service=pay%2Ament%2A" in row["Incidents"]
    week = tables["Week"].iloc[0]
    assert "until=2026-11-09T00%3A00%3A00.000Z&severity=HIGH" in week["HIGH"]
    assert week["CRITICAL"] == "0"


def test_period_and_services_come_from_the_address(open_page: Open, asked: list[Any]) -> None:
    app = open_page("insights", days="7 days", service="mystery-api")
    assert not app.exception
    period, services = asked[-1]
    assert (period.days, services) == (7, ("mystery-api",))
    assert period.until.date() == utc_now().date() + timedelta(days=1)
    assert all(query["service"] == ["mystery-api"] for _, query in links(app).values() if query)


def test_days_may_be_chosen_in_any_order(open_page: Open, asked: list[Any]) -> None:
    open_page("insights", days="other days", **{"from": "2026-11-10", "to": "2026-11-01"})
    period, _ = asked[-1]
    assert (str(period.first), str(period.last)) == ("2026-11-01", "2026-11-10")
    assert str(period.before().last) == "2026-10-31"


def test_an_empty_period_says_so(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = {"count": 0, "approvals": {}, "services": [], "severities": [], "weeks": []}
    monkeypatch.setattr(insights, "get_insights", lambda *_: counted(**nothing))
    app = open_page("insights")
    assert "No incident in this period." in words(app)
    assert not app.metric


def test_unreachable_is_another_sentence(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> Insights:
        raise UpstreamUnreachable("Supabase", "Supabase does not answer.")

    monkeypatch.setattr(insights, "get_insights", away)
    app = open_page("insights")
    assert "Supabase does not answer." in words(app)
    assert [title.value for title in app.title] == ["Insights"]
    assert "No incident" not in words(app)


def test_without_a_session_nothing_is_counted(
    open_page: Open, monkeypatch: pytest.MonkeyPatch, asked: list[Any]
) -> None:
    monkeypatch.setattr(session, "current_user", lambda: None)
    app = open_page("insights")
    assert not app.title
    assert asked == []
