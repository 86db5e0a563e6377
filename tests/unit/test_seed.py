from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import httpx
import pytest
from pydantic import SecretStr

from dashboard.domain.clock import to_iso
from dashboard.errors import ConfigurationError
from dashboard.seed.catalogue import ACCOUNTS, SERVICES, restart_action
from dashboard.seed.happenings import End, Happening, read_happenings
from dashboard.seed.history import import_payload
from dashboard.seed.run import is_sandbox, seed
from dashboard.seed.scenarios import PastText
from dashboard.settings import SeedSettings

TODAY = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)


def cited(value: Any) -> Iterator[int]:
    """Every evidence number a document names."""
    if isinstance(value, dict):
        for key, part in value.items():
            if key == "evidence":
                yield from part
            else:
                yield from cited(part)
    elif isinstance(value, list):
        for part in value:
            yield from cited(part)


PAST = read_happenings()


def payload_of(happening: Happening, text: PastText, today: datetime = TODAY) -> dict[str, Any]:
    return import_payload(happening, text, "org", today)


@pytest.mark.parametrize(("happening", "text"), PAST, ids=[happening.id for happening, _ in PAST])
def test_past_incidents_cite_only_evidence_that_exists(happening: Happening, text: PastText) -> None:
    payload = payload_of(happening, text)
    numbers = {item["n"] for item in payload.pop("evidence")}
    assert set(cited(payload)) <= numbers
    assert "{" not in str(text.model_dump(exclude={"metrics", "context"}, mode="json")).replace("{'", "")


@pytest.mark.parametrize("day", range(7))
def test_past_incidents_lie_in_the_past_on_each_day_of_a_week(day: int) -> None:
    today = TODAY + timedelta(days=day)
    for happening, text in PAST:
        payload = payload_of(happening, text, today)
        moments = [payload["opened_at"], payload["run_ended_at"], payload.get("resolved_at", "")]
        moments.append(payload.get("acknowledged", {}).get("at", ""))
        assert max(moments) < to_iso(today), happening.id
        assert min(moment for moment in moments if moment) == payload["opened_at"], happening.id


def test_the_past_is_six_weeks_with_everything_worth_looking_at() -> None:
    happenings = [happening for happening, _ in PAST]
    assert len({happening.id for happening in happenings}) == len(happenings) >= 40
    assert {text.service for _, text in PAST} == {service["name"] for service in SERVICES}
    assert {text.severity.value for _, text in PAST} == {"LOW", "MEDIUM", "HIGH", "CRITICAL"}
    assert {happening.end for happening in happenings} == set(get_args(End))
    opened = min(happening.opened_at(TODAY) for happening in happenings)
    assert timedelta(days=40) < TODAY - opened < timedelta(days=50)


def test_just_one_action_item_is_overdue_whatever_the_day() -> None:
    for day in range(7):
        today = TODAY + timedelta(days=day)
        items = [
            item
            for happening, text in PAST
            for item in payload_of(happening, text, today).get("postmortem", {}).get("items", [])
        ]
        overdue = [item for item in items if "done_at" not in item and item["due_at"] < to_iso(today)]
        assert len(overdue) == 1
        assert all(item["done_at"] < to_iso(today) for item in items if "done_at" in item)


def test_nobody_decided_on_what_they_had_reported() -> None:
    for happening, _ in PAST:
        assert happening.decider is None or happening.decider != happening.by, happening.id


def test_each_role_has_one_account() -> None:
    assert [account.role for account in ACCOUNTS] == ["viewer", "responder", "approver", "admin"]


def test_the_catalogues_request_carries_an_idempotency_key_and_names_its_secret_only() -> None:
    headers = restart_action("payment-api", "http://127.0.0.1:8091")["request"]["headers"]
    assert headers["Idempotency-Key"] == "${idempotency_key}"
    assert headers["Authorization"] == "Bearer ${ACTION_DEMO_TOKEN}"


@pytest.mark.parametrize(
    ("url", "status", "body", "expected"),
    [
        ("http://127.0.0.1:1", 200, {"sandbox": "incidentscribe"}, True),
        ("http://localhost:1", 200, {"sandbox": "incidentscribe"}, True),
        ("http://127.0.0.1:1", 200, {"status": "ok"}, False),
        ("http://127.0.0.1:1", 404, {"sandbox": "incidentscribe"}, False),
        ("http://127.0.0.1:1", 200, ["sandbox"], False),
        ("https://project.supabase.co", 200, {"sandbox": "incidentscribe"}, False),
        ("http://127.0.0.1.example.org", 200, {"sandbox": "incidentscribe"}, False),
    ],
)
def test_the_sandbox_is_on_loopback_and_says_so(url: str, status: int, body: Any, expected: bool) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(status, json=body))
    with httpx.Client(transport=transport) as http:
        assert is_sandbox(url, http) is expected


def test_seeding_anything_else_is_refused_before_anything_is_written() -> None:
    asked: list[httpx.Request] = []

    def serve(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(404)

    settings = SeedSettings.load(
        supabase_url="http://127.0.0.1:54321",
        supabase_service_role_key=SecretStr("service"),
        supabase_anon_key=SecretStr("anon"),
        demo_password=SecretStr("Demo-0815"),
    )
    with pytest.raises(ConfigurationError, match=r"is not the sandbox.*--yes"):
        seed(settings, lambda _: None, transport=httpx.MockTransport(serve))
    assert [request.url.path for request in asked] == ["/health"]
