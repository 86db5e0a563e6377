"""Remediation plan and postmortem: sentences of the model with evidence, and what people made of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum

from pydantic import Field

from dashboard.domain.evidence import Sentence
from dashboard.domain.shape import Instant, Numbers, Shape


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


class Section(StrEnum):
    """The sections people may write, in reading order."""

    SUMMARY = "summary"
    TIMELINE = "timeline"
    ROOT_CAUSE = "root_cause"
    IMPACT = "impact"
    REMEDIATION = "remediation"
    PREVENTION = "prevention"
    LESSONS = "lessons"

    @property
    def heading(self) -> str:
        return _HEADINGS[self]


_HEADINGS = {
    Section.SUMMARY: "Summary",
    Section.TIMELINE: "What happened",
    Section.ROOT_CAUSE: "Root cause",
    Section.IMPACT: "Impact",
    Section.REMEDIATION: "Remediation",
    Section.PREVENTION: "Prevention",
    Section.LESSONS: "Lessons",
}


class PostmortemStatus(StrEnum):
    DRAFT = "draft"
    IN_REVIEW = "in_review"
    PUBLISHED = "published"


class WrittenSection(Shape):
    """What people made of a section; without `text` it is the model's again. `version` made it so."""

    text: str | None = None
    version: int
    by: str
    by_id: str
    at: Instant


class PostmortemVersion(Shape):
    """A row of `postmortem_versions`: the whole document as of then, on the text of `analysis_id`.

    `change` is edited, restored (both of `section`), analysis or status.
    """

    id: int
    incident_id: str
    version: int
    status: PostmortemStatus
    sections: dict[str, WrittenSection] = Field(default_factory=dict)
    author_id: str
    author_name: str
    at: Instant
    change: str = "edited"
    section: str | None = None
    analysis_id: str | None = None

    def written(self, section: Section) -> WrittenSection | None:
        """What people made of a section, if they touched it."""
        return self.sections.get(section.value)


class SectionDraft(Shape):
    """A row of `postmortem_drafts`: what the signed-in person typed and has not saved."""

    section: str
    content: str
    base_version: int
    at: Instant


class ItemRecord(Shape):
    """A row of `action_items`: something to change after an incident."""

    id: str
    incident_id: str
    title: str
    owner_id: str | None = None
    owner_name: str | None = None
    priority: Priority = Priority.MEDIUM
    due_at: Instant | None = None
    done_at: Instant | None = None
    done_by_name: str | None = None
    suggestion: str | None = None
    version: int = 1
    created_at: Instant
    created_by_name: str | None = None

    def is_overdue(self, now: datetime) -> bool:
        return self.done_at is None and self.due_at is not None and self.due_at < now


class ItemEntry(Shape):
    """What a person writes into an action item."""

    title: str
    owner_id: str | None = None
    priority: Priority = Priority.MEDIUM
    due_at: Instant | None = None
    suggestion: str | None = None


class OverdueItem(ItemRecord):
    """An action item past its date, with the incident it follows from."""

    external_id: str
    service: str
    incident_title: str


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
