from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from dashboard.errors import ConfigurationError
from dashboard.seed.catalogue import ACCOUNTS, SERVICES, restart_action
from dashboard.seed.history import import_payload, read_past_incidents
from dashboard.seed.run import is_sandbox, seed
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


@pytest.mark.parametrize("past", read_past_incidents(), ids=lambda past: past.external_id)
def test_past_incidents_cite_only_evidence_that_exists(past: Any) -> None:
    payload = import_payload(past, "org", TODAY)
    numbers = {item["n"] for item in payload["evidence"]}
    del payload["evidence"]
    assert set(cited(payload)) <= numbers


def test_past_incidents_lie_in_the_past_and_end_after_they_began() -> None:
    for past in read_past_incidents():
        payload = import_payload(past, "org", TODAY)
        assert payload["opened_at"] < payload["resolved_at"] < "2026-11-24T00:00:00"


def test_past_incidents_are_told_apart_and_know_their_services() -> None:
    past = read_past_incidents()
    assert len({incident.external_id for incident in past}) == len(past)
    assert {incident.service for incident in past} <= {service["name"] for service in SERVICES}


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
