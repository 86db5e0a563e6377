"""The demo's past incidents, read from `incidents.json` and moved to the days before today.

In the file a moment is a number of minutes after the incident was opened.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta
from importlib.resources import files
from typing import Any

from pydantic import Field, TypeAdapter

from dashboard.domain.analysis import Confidence, ErrorCluster
from dashboard.domain.clock import to_iso
from dashboard.domain.evidence import EvidenceKind, Sentence
from dashboard.domain.postmortem import ActionItem, Remediation
from dashboard.domain.severity import Severity
from dashboard.domain.shape import Json, Numbers, Shape


class PastEvidence(Shape):
    kind: EvidenceKind
    minute: float | None = None
    text: str
    source: str


class PastMoment(Shape):
    minute: float
    text: str
    evidence: Numbers


class PastDocumentation(Shape):
    executive_summary: tuple[Sentence, ...]
    timeline: tuple[PastMoment, ...]
    root_cause_analysis: tuple[Sentence, ...]
    preventive_measures: tuple[Sentence, ...]
    action_items: tuple[ActionItem, ...]


class PastIncident(Shape):
    """One incident of the file. Evidence is numbered by its place, from 1."""

    external_id: str
    days_ago: int
    opened: time
    minutes_to_resolve: int
    service: str
    severity: Severity
    title: str
    description: str
    logs: tuple[str, ...]
    metrics: Json
    context: Json
    root_cause: str
    impact: str
    error_clusters: tuple[ErrorCluster, ...]
    confidence_level: Confidence
    evidence: tuple[PastEvidence, ...] = Field(min_length=3)
    remediation: Remediation
    documentation: PastDocumentation


def read_past_incidents() -> list[PastIncident]:
    """All incidents of the file; it is ours, so a mistake in it raises pydantic's ValidationError."""
    text = files("dashboard.seed").joinpath("incidents.json").read_text(encoding="utf-8")
    return TypeAdapter(list[PastIncident]).validate_json(text)


def import_payload(past: PastIncident, organization_id: str, today: datetime) -> dict[str, Any]:
    """The argument of `import_incident` for an incident that lies `days_ago` days before `today`."""
    opened_at = datetime.combine((today - timedelta(days=past.days_ago)).date(), past.opened, today.tzinfo)

    def moment(minute: float | None) -> str | None:
        return None if minute is None else to_iso(opened_at + timedelta(minutes=minute))

    def plain(*names: str) -> dict[str, Any]:
        return past.model_dump(mode="json", include=set(names), exclude_none=True)

    documentation = past.documentation
    return {
        **plain("external_id", "service", "severity", "title", "description", "logs", "metrics", "context"),
        **plain("root_cause", "impact", "error_clusters", "confidence_level", "remediation"),
        "organization_id": organization_id,
        "opened_at": moment(0),
        "resolved_at": moment(past.minutes_to_resolve),
        "evidence": [
            {
                "n": n,
                "kind": item.kind.value,
                "at": moment(item.minute),
                "text": item.text,
                "source": item.source,
            }
            for n, item in enumerate(past.evidence, start=1)
        ],
        "documentation": documentation.model_dump(mode="json", exclude={"timeline"})
        | {
            "timeline": [
                {"at": moment(entry.minute), "text": entry.text, "evidence": list(entry.evidence)}
                for entry in documentation.timeline
            ]
        },
        "model": "demo history",
    }
