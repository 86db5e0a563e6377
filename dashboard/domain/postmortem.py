"""Remediation plan and postmortem document, as sentences that name their evidence."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from dashboard.domain.evidence import Sentence
from dashboard.domain.shape import Numbers, Shape


class RemediationStep(Shape):
    """One step of the fix; `command` is text to read, nothing here runs it."""

    text: str
    evidence: Numbers = ()
    command: str | None = None


class Remediation(Shape):
    steps: tuple[RemediationStep, ...] = ()
    rollback: tuple[Sentence, ...] = ()
    verification: tuple[Sentence, ...] = ()


class TimelineEntry(Shape):
    """`at` is shown as written: a model may know only "about 14:00"."""

    at: str | None = None
    text: str
    evidence: Numbers = ()


class Priority(StrEnum):
    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"


class ActionItem(Shape):
    title: str
    owner: str = ""
    priority: Priority = Priority.MEDIUM
    evidence: Numbers = ()


class Documentation(Shape):
    executive_summary: tuple[Sentence, ...] = ()
    timeline: tuple[TimelineEntry, ...] = ()
    root_cause_analysis: tuple[Sentence, ...] = ()
    preventive_measures: tuple[Sentence, ...] = ()
    action_items: tuple[ActionItem, ...] = ()


def sentences(documentation: Documentation) -> Iterator[tuple[str, Sentence]]:
    """Every statement of the document with the name of its section, in reading order."""
    for sentence in documentation.executive_summary:
        yield "executive_summary", sentence
    for entry in documentation.timeline:
        yield "timeline", Sentence(text=entry.text, evidence=entry.evidence)
    for sentence in documentation.root_cause_analysis:
        yield "root_cause_analysis", sentence
    for sentence in documentation.preventive_measures:
        yield "preventive_measures", sentence
    for item in documentation.action_items:
        yield "action_items", Sentence(text=item.title, evidence=item.evidence)
