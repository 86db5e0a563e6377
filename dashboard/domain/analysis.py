"""What the model made of the evidence, after the database has checked it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from dashboard.domain.action import ProposedAction
from dashboard.domain.evidence import Evidence, Sentence
from dashboard.domain.postmortem import Documentation, Remediation
from dashboard.domain.shape import Instant, Json, Numbers, Shape


class Confidence(StrEnum):
    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"


class ErrorCluster(Shape):
    """Similar errors counted as one."""

    label: str
    count: int
    evidence: Numbers = ()


class Parameter(Shape):
    """A parameter as the model writes it; the database types it by the catalogue's JSON Schema."""

    name: str
    value: str


class SuggestedAction(Shape):
    """An action of the catalogue as the model suggests it, before it is rendered."""

    action_key: str
    parameters: tuple[Parameter, ...] = ()
    reason: Sentence


class Analysis(Shape):
    """The checked answer of the analysis step."""

    root_cause: Sentence
    impact: Sentence
    error_clusters: tuple[ErrorCluster, ...] = ()
    confidence_level: Confidence
    confidence_reason: str = ""
    proposed_actions: tuple[SuggestedAction, ...] = ()


def _absent_when_empty(value: Any) -> Any:
    """The database stores `{}` for a part that has not arrived; that is no part."""
    return None if value in ({}, None) else value


def _list_or_none(value: Any) -> Any:
    return value or ()


class AiAnalysis(Shape):
    """A row of `ai_analyses`: one run's findings; without `completed_at` it is unfinished."""

    id: str
    incident_id: str
    execution_id: str | None = None
    kestra_execution_id: str | None = None
    analysis: Annotated[Analysis | None, BeforeValidator(_absent_when_empty)] = None
    root_cause: str | None = None
    impact: str | None = None
    error_clusters: Annotated[tuple[ErrorCluster, ...], BeforeValidator(_list_or_none)] = ()
    confidence_level: Confidence | None = None
    proposed_actions: Annotated[tuple[ProposedAction, ...], BeforeValidator(_list_or_none)] = ()
    remediation: Annotated[Remediation | None, BeforeValidator(_absent_when_empty)] = None
    documentation: Annotated[Documentation | None, BeforeValidator(_absent_when_empty)] = None
    evidence: Annotated[tuple[Evidence, ...], BeforeValidator(_list_or_none)] = ()
    redactions: Json = Field(default_factory=dict)
    model: str | None = None
    tokens: Json = Field(default_factory=dict)
    problem: str | None = None
    created_at: Instant
    updated_at: Instant | None = None
    completed_at: Instant | None = None
