"""A postmortem put together: what the model wrote, what people made of it, what was recorded."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from dashboard.domain.action import ActionRun
from dashboard.domain.analysis import AiAnalysis
from dashboard.domain.approval import Approval, ApprovalStatus, parse_proposal
from dashboard.domain.clock import duration_words
from dashboard.domain.document import (
    ActionRecord,
    DecisionRecord,
    Document,
    DocumentIncident,
    DocumentSection,
    Fact,
    Moment,
    VersionNote,
)
from dashboard.domain.history import tell
from dashboard.domain.incident import Incident, IncidentEvent
from dashboard.domain.model_text import left_unsupported, model_statements
from dashboard.domain.postmortem import (
    Documentation,
    ItemRecord,
    PostmortemStatus,
    PostmortemVersion,
    Section,
)
from dashboard.domain.shape import Shape


class Record(Shape):
    """What was recorded about an incident while it was handled, as the document needs it."""

    events: tuple[IncidentEvent, ...] = ()
    approvals: tuple[Approval, ...] = ()
    action_runs: tuple[ActionRun, ...] = ()
    items: tuple[ItemRecord, ...] = ()


def compose(
    incident: Incident,
    analysis: AiAnalysis | None,
    versions: Sequence[PostmortemVersion] = (),
    record: Record | None = None,
    *,
    version: int | None = None,
) -> Document:
    """The document as of a version (None: the newest, 0: the model's own). `versions` are newest first."""
    record = record or Record()
    newest = versions[0] if versions and version != 0 else None
    shown = next((each for each in versions if each.version == version), newest)
    found = analysis or AiAnalysis(id="", incident_id=incident.id, created_at=incident.created_at)
    decisions = sorted(record.approvals, key=lambda approval: approval.created_at)
    taken = {item.suggestion for item in record.items}
    suggested = (found.documentation or Documentation()).action_items
    return Document(
        incident=_incident(incident),
        status=shown.status if shown else PostmortemStatus.DRAFT,
        version=shown.version if shown else 0,
        is_complete=analysis is None or analysis.completed_at is not None,
        facts=facts(incident, decisions),
        sections=tuple(_section(part, found, shown) for part in Section),
        clusters=found.error_clusters,
        timeline=tuple(_moment(event) for event in sorted(record.events, key=lambda event: event.at)),
        decisions=tuple(_decision(approval) for approval in decisions),
        actions=tuple(_action(run) for run in sorted(record.action_runs, key=lambda run: run.begun_at)),
        items=record.items,
        suggestions=tuple(item for item in suggested if item.title not in taken),
        evidence=found.evidence,
        versions=tuple(_note(each) for each in versions),
        model=found.model,
        problem=found.problem,
        confidence=found.confidence_level,
        confidence_reason=found.analysis.confidence_reason if found.analysis else "",
    )


def facts(incident: Incident, approvals: Sequence[Approval]) -> tuple[Fact, ...]:
    """How long it took to acknowledge, to approve and to resolve; with what each was measured between."""
    acknowledged, resolved = incident.acknowledged_at, incident.resolved_at or incident.closed_at
    decided = [
        a
        for a in approvals
        if a.decided_at and a.status in (ApprovalStatus.APPROVED, ApprovalStatus.REJECTED)
    ]
    approve = Fact(label="Time to approve", value="no approval was asked for")
    if decided and decided[0].decided_at:
        approve = _took("Time to approve", decided[0].created_at, decided[0].decided_at, "asked to decided")
    elif approvals:
        approve = Fact(label="Time to approve", value="nobody decided")
    acknowledge = _took(
        "Time to acknowledge", incident.created_at, acknowledged, "reported to first acknowledged"
    )
    if acknowledged is None and resolved is not None:
        acknowledge = Fact(label="Time to acknowledge", value="never acknowledged", note=acknowledge.note)
    return (
        acknowledge,
        approve,
        _took("Time to resolve", incident.created_at, resolved, "reported to resolved"),
    )


def _took(label: str, since: datetime, until: datetime | None, note: str) -> Fact:
    if until is None:
        return Fact(label=label, value=f"not {label.rpartition(' ')[2]}d yet", note=note)
    seconds = (until - since).total_seconds()
    # Clocks of two machines, or imported times: a length below zero is none.
    return Fact(label=label, value=duration_words(seconds) if seconds >= 0 else "clocks disagree", note=note)


_SOURCES = {"webhook": "a webhook, submitter unknown", "import": "import of history"}


def _incident(incident: Incident) -> DocumentIncident:
    same = {name: getattr(incident, name) for name in DocumentIncident.model_fields if name != "reported_by"}
    by = incident.submitted_by_name or _SOURCES.get(incident.source, "somebody unknown")
    return DocumentIncident(reported_by=by, **same)


def _section(section: Section, found: AiAnalysis, shown: PostmortemVersion | None) -> DocumentSection:
    statements = model_statements(section, found)
    written = shown.written(section) if shown else None
    about = DocumentSection(section=section, title=section.heading)
    if written is None:
        return about.model_copy(update={"statements": statements})
    about = about.model_copy(update={"version": written.version, "by": written.by, "at": written.at})
    if written.text is None:
        return about.model_copy(update={"statements": statements})
    return about.model_copy(
        update={"text": written.text, "unsupported": left_unsupported(statements, written.text)}
    )


def _moment(event: IncidentEvent) -> Moment:
    told = tell(event)
    return Moment(at=event.at, who=event.actor_name or "somebody", did=told.did, text=told.text)


def _decision(approval: Approval) -> DecisionRecord:
    try:
        proposed = parse_proposal(approval.proposal_text).statement
    except ValueError:
        proposed = "a proposal that could not be read"
    return DecisionRecord(
        proposed=proposed,
        status=approval.status,
        asked_at=approval.created_at,
        by=approval.decided_by_name,
        at=approval.decided_at,
        reason=approval.decision_reason,
        cause=approval.cause,
        outcome=approval.outcome.value if approval.outcome else None,
        outcome_reason=approval.outcome_reason,
        content_hash=approval.content_hash,
    )


def _action(run: ActionRun) -> ActionRecord:
    return ActionRecord(
        title=run.title or run.action or run.action_key,
        begun_at=run.begun_at,
        finished_at=run.finished_at,
        outcome=run.status,
        verified=run.verified,
    )


_STATUS_WORDS = {
    PostmortemStatus.DRAFT: "took it back to draft",
    PostmortemStatus.IN_REVIEW: "asked for review",
    PostmortemStatus.PUBLISHED: "published it",
}


def _note(version: PostmortemVersion) -> VersionNote:
    title = Section(version.section).heading if version.section in set(Section) else "a section"
    did = {
        "edited": f"edited {title}",
        "restored": f"went back to the model's text of {title}",
        "analysis": "took over the text of a later run",
    }.get(version.change, _STATUS_WORDS[version.status])
    return VersionNote(
        version=version.version, status=version.status, did=did, by=version.author_name, at=version.at
    )
