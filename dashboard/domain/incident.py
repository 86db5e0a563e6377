"""Incidents: what a person or an alert hands in, what is stored, and what travels to the flow."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, StringConstraints, ValidationError, field_validator

from dashboard.domain.severity import Severity, normalise
from dashboard.domain.shape import Instant, Json, Shape, Texts
from dashboard.errors import FieldProblem, InvalidInput

MAX_LOG_LINES = 20_000
MAX_BYTES = 5_000_000

# The payload lies twice in every Kestra execution and in every frame of its stream; 16 KiB cost
# 1.5 s of a run, 200 KB cost 6 to 11 s. The flow's script reads the rest from Supabase.
WEBHOOK_LOG_LINES = 50
WEBHOOK_BYTES = 16 * 1024


class IncidentStatus(StrEnum):
    """Where the incident is; moved only by the functions of the database."""

    OPEN = "open"
    INVESTIGATING = "investigating"
    AWAITING_APPROVAL = "awaiting_approval"
    RESOLVED = "resolved"
    CLOSED = "closed"

    @property
    def is_live(self) -> bool:
        """Neither resolved nor closed: a new report of the same thing joins it."""
        return self not in (IncidentStatus.RESOLVED, IncidentStatus.CLOSED)


def _line(longest: int) -> StringConstraints:
    """A text of one line or a few words; the limits are those of the database."""
    return StringConstraints(strip_whitespace=True, min_length=1, max_length=longest)


class IncidentPayload(Shape):
    """What `submit_incident` takes. Times, people and organization are the database's business."""

    id: Annotated[str, _line(100)] | None = None
    service: Annotated[str, _line(200)]
    severity: Severity
    title: Annotated[str, _line(300)]
    description: Annotated[str, StringConstraints(max_length=20_000)] | None = None
    logs: Annotated[tuple[str, ...], Field(max_length=MAX_LOG_LINES)] = ()
    metrics: Json = Field(default_factory=dict)
    context: Json = Field(default_factory=dict)
    file_separately: bool = False

    @field_validator("severity", mode="before")
    @classmethod
    def _one_of_four(cls, value: Any) -> Severity:
        severity = normalise(value) if isinstance(value, str) else Severity.UNKNOWN
        if severity is Severity.UNKNOWN:
            raise ValueError("must be LOW, MEDIUM, HIGH or CRITICAL")
        return severity

    @field_validator("id", "description", mode="before")
    @classmethod
    def _blank_is_absent(cls, value: Any) -> Any:
        return None if isinstance(value, str) and not value.strip() else value

    @field_validator("logs", mode="before")
    @classmethod
    def _one_text_is_many_lines(cls, value: Any) -> Any:
        return value.splitlines() if isinstance(value, str) else value

    def to_json(self) -> dict[str, Any]:
        """The argument of `submit_incident`, without what was not given."""
        return self.model_dump(mode="json", exclude_none=True)


def parse_payload(raw: object) -> IncidentPayload:
    """Check an incident before it is submitted. Raises InvalidInput with one problem per field."""
    if not isinstance(raw, dict):
        problem = FieldProblem("", "must be a JSON object, like the sample")
        raise InvalidInput("The incident is not a JSON object.", fields=[problem])
    try:
        payload = IncidentPayload.model_validate(raw)
    except ValidationError as error:
        raise InvalidInput(
            "The incident was not submitted: some fields need another look.",
            fields=field_problems(error),
            to_do="Correct the fields named and submit again.",
        ) from error
    if len(_encoded(payload.to_json())) > MAX_BYTES:
        problem = FieldProblem("logs", f"the whole incident must stay below {MAX_BYTES // 1_000_000} MB")
        raise InvalidInput("The incident is too large.", fields=[problem])
    return payload


def field_problems(error: ValidationError) -> tuple[FieldProblem, ...]:
    """Pydantic's findings in words for a form; never the value itself, it may be long or secret."""
    return tuple(
        FieldProblem(
            field=".".join(str(part) for part in finding["loc"]),
            problem=_WORDS.get(finding["type"], finding["msg"].removeprefix("Value error, ")),
        )
        for finding in error.errors(include_url=False, include_input=False)
    )


_WORDS = {
    "missing": "is required",
    "string_too_short": "must not be empty",
    "string_type": "must be text",
    "dict_type": "must be a JSON object",
    "tuple_type": "must be a list of texts",
}


class Incident(Shape):
    """A row of `incidents`."""

    id: str
    organization_id: str
    external_id: str
    source: str
    service_id: str | None = None
    service: str
    severity: Severity
    severity_text: str | None = None
    status: IncidentStatus
    needs_human: bool = False
    needs_human_reason: str | None = None
    title: str
    description: str | None = None
    logs: Texts = ()
    metrics: Json = Field(default_factory=dict)
    context: Json = Field(default_factory=dict)
    intake_notes: Texts = ()
    fingerprint: str | None = None
    occurrences: int = 1
    submitted_by: str | None = None
    submitted_by_name: str | None = None
    acknowledged_at: Instant | None = None
    acknowledged_by_name: str | None = None
    assigned_to: str | None = None
    assigned_to_name: str | None = None
    version: int = 1
    created_at: Instant
    updated_at: Instant | None = None
    resolved_at: Instant | None = None
    closed_at: Instant | None = None
    emptied_at: Instant | None = None


class IncidentEvent(Shape):
    """A row of `incident_events`, which only grows."""

    id: str | int
    incident_id: str
    kind: str
    actor_id: str | None = None
    actor_name: str | None = None
    at: Instant
    detail: Json = Field(default_factory=dict)
    has_payload: bool = False  # a repeated report's payload, which is left out of `detail` in lists


class SubmitReceipt(Shape):
    """The answer of `submit_incident`; without `run_id` it joined an incident whose run is live."""

    incident_id: str
    external_id: str
    joined: bool = False
    occurrences: int = 1
    opened_at: Instant
    run_id: str | None = None


def webhook_payload(incident: Incident, run_id: str) -> dict[str, Any]:
    """The guide's structure for the webhook, plus `run_id`; at most 50 log lines and 16 KiB of JSON.

    The newest lines are kept. Metrics and context that do not fit are left out whole: they are in
    Supabase, and half an object would be another fact.
    """
    payload: dict[str, Any] = {
        "id": incident.external_id,
        "service": incident.service,
        "severity": incident.severity_text or incident.severity.value,
        "title": incident.title,
        "logs": [],
        "metrics": incident.metrics,
        "context": incident.context,
        "organization_id": incident.organization_id,
        "run_id": run_id,
    }
    for part in ("context", "metrics"):
        if len(_encoded(payload)) > WEBHOOK_BYTES:
            payload[part] = {}
    room = WEBHOOK_BYTES - len(_encoded(payload))
    lines: list[str] = []
    for line in reversed(incident.logs[-WEBHOOK_LOG_LINES:]):
        room -= len(_encoded(line)) + 1
        if room < 0:
            break
        lines.append(line)
    payload["logs"] = lines[::-1]
    return payload


def _encoded(value: object) -> bytes:
    """JSON as the HTTP client writes it: compact, UTF-8. A lone surrogate becomes a question mark."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
