"""Postmortems: what the model wrote, what people made of it, and finding them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, NamedTuple

from pydantic import BeforeValidator, Field
from supabase import Client

from dashboard.domain.analysis import AiAnalysis
from dashboard.domain.compose import Record, compose
from dashboard.domain.document import Document
from dashboard.domain.incident import Incident
from dashboard.domain.markup import clean
from dashboard.domain.postmortem import PostmortemStatus, PostmortemVersion, Section, SectionDraft
from dashboard.domain.severity import Severity
from dashboard.domain.shape import Instant, Shape
from dashboard.store import action_items, cases
from dashboard.store.connection import call, first, rows
from dashboard.store.reading import all_understood, understood

PAGE_SIZE = 20

_ANALYSIS_COLUMNS = (
    "id,incident_id,execution_id,kestra_execution_id,analysis,root_cause,impact,error_clusters,confidence_level,"
    "proposed_actions,remediation,documentation,evidence,redactions,model,tokens,problem,created_at,updated_at,completed_at"
)


class FoundPostmortem(Shape):
    """A document in a list. In `marked` texts the characters 2 and 3 stand around what was searched for."""

    incident_id: str
    external_id: str
    service: str
    severity: Severity
    title: str
    status: PostmortemStatus
    version: int
    published_version: int | None = None
    excerpt: str = ""
    marked_title: str | None = None
    marked: str | None = None
    written_at: Instant
    updated_at: Instant


class PostmortemPage(Shape):
    """A page of documents, newest first. `counts` by status stop at `most`, whatever status is filtered."""

    rows: tuple[FoundPostmortem, ...] = ()
    counts: dict[PostmortemStatus, int] = Field(default_factory=dict)
    most: int = 1_000
    too_common: bool = False

    def total(self, statuses: Sequence[str] = ()) -> int:
        """How many there are of these statuses (none: of all), as far as they were counted."""
        return sum(count for status, count in self.counts.items() if not statuses or status in statuses)


class Writing(Shape):
    """Somebody else who is typing in a section."""

    section: str
    name: str
    at: Instant


class PostmortemState(Shape):
    """`mark` differs when the document has something new to show; `writing` says who else is at it."""

    mark: str
    writing: Annotated[tuple[Writing, ...], BeforeValidator(lambda value: value or ())] = ()


class Whole(NamedTuple):
    """A document with what belongs to it; `versions` newest first.

    `analysis` is the one that the shown version stands on, `newer_analysis_id` names a later, finished one.
    """

    state: PostmortemState
    incident: Incident
    analysis: AiAnalysis | None
    versions: tuple[PostmortemVersion, ...]
    record: Record
    drafts: Mapping[str, SectionDraft]
    newer_analysis_id: str | None

    @property
    def newest(self) -> int:
        """The newest version; 0: nobody has changed the model's text."""
        return self.versions[0].version if self.versions else 0

    @property
    def published(self) -> int | None:
        """The version that was published last."""
        published = (
            version.version
            for version in self.versions
            if version.status is PostmortemStatus.PUBLISHED and version.change == "status"
        )
        return next(published, None)

    def document(self, version: int | None = None) -> Document:
        """The document as of a version (None: the newest, 0: the model's own)."""
        return compose(self.incident, self.analysis, self.versions, self.record, version=version)


def search_postmortems(
    user: Client,
    *,
    search: str = "",
    services: Sequence[str] = (),
    severities: Sequence[str] = (),
    statuses: Sequence[str] = (),
    page: int = 1,
) -> PostmortemPage:
    """A page of documents; `search` takes words, "phrases", `or` and `-without`."""
    arguments = {
        "search": clean(search),
        "services": list(services) or None,
        "severities": list(severities) or None,
        "statuses": list(statuses) or None,
        "skip": (max(1, page) - 1) * PAGE_SIZE,
        "take": PAGE_SIZE,
    }
    return understood(PostmortemPage, call(user, "search_postmortems", arguments))


def find_analysis(user: Client, incident_id: str, analysis_id: str | None = None) -> AiAnalysis | None:
    """The findings of the latest run of an incident, finished or not; or those of that id."""
    query = user.table("ai_analyses").select(_ANALYSIS_COLUMNS).eq("incident_id", incident_id)
    if analysis_id:
        query = query.eq("id", analysis_id)
    row = first(query.order("created_at", desc=True).limit(1))
    return understood(AiAnalysis, row) if row else None


def list_versions(user: Client, incident_id: str) -> tuple[PostmortemVersion, ...]:
    """What people made of a document, newest first."""
    query = (
        user.table("postmortem_versions")
        .select("*")
        .eq("incident_id", incident_id)
        .order("version", desc=True)
        .limit(200)
    )
    return all_understood(PostmortemVersion, rows(query))


def get_whole(user: Client, incident_id: str, version: int | None = None) -> Whole:
    """A document and everything its page needs, as of a version (None: the newest). Raises NotFound."""
    # The mark first: what comes in while the rest is read is news again.
    state = get_state(user, incident_id)
    case, findings = cases.get_case(user, incident_id), cases.get_findings(user, incident_id)
    versions = list_versions(user, incident_id)
    shown = next((each for each in versions if each.version == version), versions[0] if versions else None)
    latest = analysis = findings.analysis
    if shown and shown.analysis_id and (latest is None or latest.id != shown.analysis_id):
        analysis = find_analysis(user, incident_id, shown.analysis_id)
    record = Record(
        events=findings.events,
        approvals=case.approvals,
        action_runs=findings.action_runs,
        items=action_items.list_items(user, incident_id),
    )
    newer = latest if latest and latest.completed_at and analysis and latest.id != analysis.id else None
    drafts = list_drafts(user, incident_id)
    return Whole(state, case.incident, analysis, versions, record, drafts, newer.id if newer else None)


def get_state(user: Client, incident_id: str) -> PostmortemState:
    """Whether there is anything new, in one small answer. Raises NotFound."""
    return understood(PostmortemState, call(user, "postmortem_state", {"incident_id": incident_id}))


def list_drafts(user: Client, incident_id: str) -> Mapping[str, SectionDraft]:
    """What the caller typed into this document and has not saved, by section."""
    query = (
        user.table("postmortem_drafts")
        .select("section,content,base_version,at")
        .eq("incident_id", incident_id)
    )
    return {draft.section: draft for draft in all_understood(SectionDraft, rows(query))}


def edit(user: Client, incident_id: str, section: Section, text: str | None, base_version: int) -> int:
    """Write a section (None: the model's text again) that was at `base_version`; the document's new version.

    Raises StaleVersion when somebody else changed that section meanwhile, InvalidInput, NotAllowed.
    """
    arguments = {
        "incident_id": incident_id,
        "section": section.value,
        "content": None if text is None else clean(text),
        "base_version": base_version,
    }
    return int(call(user, "edit_postmortem", arguments)["version"])


def keep_draft(user: Client, incident_id: str, section: Section, text: str | None, base_version: int) -> None:
    """Keep what is being typed, for this person alone; None drops it."""
    arguments = {
        "incident_id": incident_id,
        "section": section.value,
        "content": None if text is None else clean(text),
        "base_version": base_version,
    }
    call(user, "save_postmortem_draft", arguments)


def set_status(user: Client, incident_id: str, status: PostmortemStatus, version: int) -> None:
    """Put up for review, publish or take back the version that was read.

    Raises StaleVersion, Conflict, NotAllowed.
    """
    arguments = {"incident_id": incident_id, "status": status.value, "version": version}
    call(user, "set_postmortem_status", arguments)


def take_analysis(user: Client, incident_id: str, analysis_id: str, version: int) -> None:
    """Put the text of another run beneath the sections nobody changed. Raises StaleVersion, NotAllowed."""
    arguments = {"incident_id": incident_id, "analysis_id": analysis_id, "version": version}
    call(user, "take_analysis", arguments)
