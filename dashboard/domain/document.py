"""The shape of a postmortem: page and exports alike show this, and the JSON export is this."""

from __future__ import annotations

from dashboard.domain.action import ActionOutcome
from dashboard.domain.analysis import Confidence, ErrorCluster
from dashboard.domain.approval import ApprovalStatus
from dashboard.domain.evidence import Evidence
from dashboard.domain.incident import IncidentStatus
from dashboard.domain.markup import Citation, parse, walk
from dashboard.domain.model_text import Statement, to_edit
from dashboard.domain.postmortem import (
    ActionItem,
    ItemRecord,
    PostmortemStatus,
    Section,
)
from dashboard.domain.severity import Severity
from dashboard.domain.shape import Instant, Shape, Texts


class DocumentSection(Shape):
    """A section: `text` (Markdown of people) or `statements` (the model's); with neither it is missing.

    `version` is the one to name when it is edited; `by` and `at` say who wrote or restored it last.
    `unsupported` are sentences of the model without evidence that people left in their text.
    """

    section: Section
    title: str
    statements: tuple[Statement, ...] = ()
    text: str | None = None
    version: int = 0
    by: str | None = None
    at: Instant | None = None
    unsupported: Texts = ()

    @property
    def is_missing(self) -> bool:
        return self.text is None and not self.statements

    def as_text(self) -> str:
        """Its Markdown, whoever wrote it: to go on with, and to compare."""
        return to_edit(self.statements) if self.text is None else self.text

    @property
    def numbers(self) -> frozenset[int]:
        """The evidence it names, existing or not."""
        if self.text is None:
            return frozenset(number for one in self.statements for number in one.evidence)
        return frozenset(
            n for part in walk(parse(self.text)) if isinstance(part, Citation) for n in part.numbers
        )


class Fact(Shape):
    """A figure of the incident in words, and how it was measured."""

    label: str
    value: str
    note: str = ""


class Moment(Shape):
    """A recorded event: who did what, and what they wrote."""

    at: Instant
    who: str
    did: str
    text: str = ""


class DecisionRecord(Shape):
    """What was asked for, what was decided by whom, and what came of it."""

    proposed: str
    status: ApprovalStatus
    asked_at: Instant
    by: str | None = None
    at: Instant | None = None
    reason: str | None = None
    cause: str | None = None
    outcome: str | None = None
    outcome_reason: str | None = None
    content_hash: str


class ActionRecord(Shape):
    """An action that was begun, and how it ended."""

    title: str
    begun_at: Instant
    finished_at: Instant | None = None
    outcome: ActionOutcome
    verified: bool | None = None


class VersionNote(Shape):
    """A version in the history: who did what to the document, when."""

    version: int
    status: PostmortemStatus
    did: str
    by: str
    at: Instant


class DocumentIncident(Shape):
    """The incident a document is about."""

    id: str
    external_id: str
    title: str
    service: str
    severity: Severity
    status: IncidentStatus
    reported_by: str
    created_at: Instant
    acknowledged_at: Instant | None = None
    resolved_at: Instant | None = None


class Document(Shape):
    """The whole of a postmortem. Lists are oldest first, versions newest first."""

    format: str = "incidentscribe.postmortem/1"
    incident: DocumentIncident
    status: PostmortemStatus = PostmortemStatus.DRAFT
    version: int = 0
    is_complete: bool = True
    facts: tuple[Fact, ...] = ()
    sections: tuple[DocumentSection, ...] = ()
    clusters: tuple[ErrorCluster, ...] = ()
    timeline: tuple[Moment, ...] = ()
    decisions: tuple[DecisionRecord, ...] = ()
    actions: tuple[ActionRecord, ...] = ()
    items: tuple[ItemRecord, ...] = ()
    suggestions: tuple[ActionItem, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    versions: tuple[VersionNote, ...] = ()
    model: str | None = None
    problem: str | None = None
    confidence: Confidence | None = None
    confidence_reason: str = ""

    @property
    def known(self) -> frozenset[int]:
        """The numbers of the evidence."""
        return frozenset(item.n for item in self.evidence)

    def section(self, wanted: Section) -> DocumentSection:
        return next(part for part in self.sections if part.section is wanted)

    def cited_in(self, number: int) -> tuple[DocumentSection, ...]:
        """The sections that name a piece of evidence."""
        return tuple(part for part in self.sections if number in part.numbers)
