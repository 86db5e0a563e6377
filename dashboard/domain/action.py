"""Actions: what the catalogue offers for a service, what was rendered from it, what became of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import Field

from dashboard.domain.evidence import Sentence
from dashboard.domain.shape import Instant, Json, Shape, Texts


class Risk(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class ActionOutcome(StrEnum):
    """How a request that was begun ended."""

    BEGUN = "begun"  # sent or about to be: nothing is known yet
    ACTED = "acted"  # answered 2xx
    FAILED = "failed"  # answered otherwise: surely did not happen
    UNKNOWN = "unknown"  # no answer: may or may not have happened


class HttpRequest(Shape):
    """A request as the flow sends it. `body` is text once rendered, a template object in the catalogue."""

    method: str
    url: str
    headers: Json = Field(default_factory=dict)
    body: Any = None


class Expectation(Shape):
    """What the verifying request has to answer: this status, and at least these JSON values."""

    status: int = 200
    json_subset: Json = Field(default_factory=dict, alias="json")


class Verification(Shape):
    """How it is found out that an action had its effect."""

    method: str = "GET"
    url: str
    headers: Json = Field(default_factory=dict)
    expect: Expectation = Expectation()
    within_seconds: int = 60


class CatalogueAction(Shape):
    """A row of `actions`: what may be proposed for a service."""

    id: str
    service_id: str
    key: str
    title: str
    description: str = ""
    parameters: Json = Field(default_factory=dict)
    request: HttpRequest
    verify: Verification | None = None
    risk: Risk
    expected_effect: str = ""
    rollback: str = ""
    version: int = 1
    active: bool = True


class ProposedAction(Shape):
    """An action rendered for one proposal: exactly this request will be sent. `key` is unique within it."""

    key: str
    action: str
    title: str
    catalogue_version: int
    parameters: Json = Field(default_factory=dict)
    request: HttpRequest
    verify: Verification | None = None
    expected_effect: str = ""
    risk: Risk
    rollback: str = ""
    reason: Sentence
    secrets: Texts = ()


class ActionRun(Shape):
    """A row of `action_runs`: one effect that was begun, and its end as far as it is known."""

    id: str
    incident_id: str
    execution_id: str | None = None
    approval_id: str | None = None
    action_key: str
    action: str = ""
    title: str = ""
    request: Json = Field(default_factory=dict)
    status: ActionOutcome
    verified: bool | None = None
    detail: Json = Field(default_factory=dict)
    begun_at: Instant
    finished_at: Instant | None = None
