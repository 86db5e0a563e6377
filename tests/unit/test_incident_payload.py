import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.domain.incident import (
    MAX_LOG_LINES,
    WEBHOOK_BYTES,
    WEBHOOK_LOG_LINES,
    Incident,
    IncidentStatus,
    parse_payload,
    webhook_payload,
)
from dashboard.domain.severity import Severity
from dashboard.errors import InvalidInput

GOOD = {"service": "payment-api", "severity": "medium", "title": "High error rate"}


def make_incident(**values: Any) -> Incident:
    return Incident(
        **{
            "id": "6a0c7b7e-0000-4000-8000-000000000001",
            "organization_id": "6a0c7b7e-0000-4000-8000-00000000000a",
            "external_id": "INC-001",
            "source": "desk",
            "service": "payment-api",
            "severity": Severity.MEDIUM,
            "status": IncidentStatus.OPEN,
            "title": "High error rate",
            "created_at": datetime(2026, 11, 24, tzinfo=UTC),
            **values,
        }
    )


def test_a_good_payload_is_normalised() -> None:
    payload = parse_payload({**GOOD, "logs": "one\ntwo", "id": " "})
    assert payload.severity is Severity.MEDIUM
    assert payload.logs == ("one", "two")
    assert "id" not in payload.to_json()


def test_every_wrong_field_is_named_at_once() -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_payload({"severity": "sev1", "title": " ", "metrics": [1], "logs": ["ok", 3]})
    problems = {problem.field: problem.problem for problem in refused.value.fields}
    assert problems == {
        "service": "is required",
        "severity": "must be LOW, MEDIUM, HIGH or CRITICAL",
        "title": "must not be empty",
        "metrics": "must be a JSON object",
        "logs.1": "must be text",
    }


@pytest.mark.parametrize("raw", [None, [], "text", 3])
def test_what_is_no_object_is_refused(raw: object) -> None:
    with pytest.raises(InvalidInput, match="not a JSON object"):
        parse_payload(raw)


def test_too_many_lines_are_refused() -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_payload({**GOOD, "logs": ["x"] * (MAX_LOG_LINES + 1)})
    assert [problem.field for problem in refused.value.fields] == ["logs"]


def test_a_payload_over_five_megabytes_is_refused() -> None:
    with pytest.raises(InvalidInput, match="too large"):
        parse_payload({**GOOD, "logs": ["x" * 300] * 18_000})


def test_the_webhook_gets_the_guides_structure_and_the_run_id() -> None:
    incident = make_incident(
        logs=("ERROR: Connection timeout",), metrics={"error_rate": 0.45}, context={"host": "a"}
    )
    assert webhook_payload(incident, "run-1") == {
        "id": "INC-001",
        "service": "payment-api",
        "severity": "MEDIUM",
        "title": "High error rate",
        "logs": ["ERROR: Connection timeout"],
        "metrics": {"error_rate": 0.45},
        "context": {"host": "a"},
        "organization_id": incident.organization_id,
        "run_id": "run-1",
    }


def test_the_webhook_gets_the_newest_fifty_lines_in_order() -> None:
    payload = webhook_payload(make_incident(logs=tuple(f"line {n}" for n in range(80))), "r")
    assert payload["logs"] == [f"line {n}" for n in range(80 - WEBHOOK_LOG_LINES, 80)]


def test_context_that_does_not_fit_is_left_out_whole_and_metrics_stay() -> None:
    payload = webhook_payload(make_incident(context={"dump": "x" * 20_000}, metrics={"p95": 3}), "r")
    assert payload["context"] == {}
    assert payload["metrics"] == {"p95": 3}


@given(
    logs=st.lists(st.text(max_size=4_000), max_size=70),
    context=st.dictionaries(st.text(max_size=40), st.text(max_size=9_000), max_size=4),
    title=st.text(min_size=1, max_size=300),
)
def test_the_webhook_body_never_exceeds_its_size(
    logs: list[str], context: dict[str, str], title: str
) -> None:
    payload = webhook_payload(make_incident(logs=tuple(logs), context=context, title=title), "r")
    body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
    assert len(body) <= WEBHOOK_BYTES
    assert len(payload["logs"]) <= WEBHOOK_LOG_LINES
