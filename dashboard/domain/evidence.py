"""Evidence: numbered facts, and sentences that name the numbers they rest on."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from dashboard.domain.shape import Instant, Numbers, Shape


class EvidenceKind(StrEnum):
    """Where a fact comes from."""

    LOG = "log"
    CLUSTER = "cluster"  # many similar log lines as one
    METRIC = "metric"
    ALERT = "alert"  # the incident as it was reported, and related ones
    HISTORY = "history"  # an earlier incident of the service
    EVENT = "event"
    DECISION = "decision"
    ACTION = "action"


class Evidence(Shape):
    """One fact; `n` is its number within the run, `source` says where it was read."""

    n: int
    kind: EvidenceKind
    at: Instant | None = None
    text: str
    source: str = ""


class Sentence(Shape):
    """A statement and the numbers of the evidence it rests on."""

    text: str
    evidence: Numbers = ()


def unsupported(sentences: Iterable[Sentence], evidence: Iterable[Evidence]) -> tuple[Sentence, ...]:
    """The sentences that name no evidence, or a number that does not exist."""
    known = {item.n for item in evidence}
    return tuple(s for s in sentences if not s.evidence or not set(s.evidence) <= known)
