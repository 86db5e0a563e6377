"""A document as a plain sequence of headings, lines, lists and prose; every format writes out all of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime

from dashboard.domain.document import Document, DocumentSection
from dashboard.domain.markup import (
    Block,
    Citation,
    Code,
    Inline,
    ItemList,
    Paragraph,
    Styled,
    Text,
    clean,
    parse,
)
from dashboard.domain.model_text import Statement, moment_words
from dashboard.domain.postmortem import PostmortemStatus, Section


@dataclass(frozen=True, slots=True)
class Heading:
    level: int  # 1 is the title
    text: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Note:
    """A line about the text: whose it is, how far it is."""

    text: str


@dataclass(frozen=True, slots=True)
class Pairs:
    """Names and values."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Prose:
    """Text of model or people, understood and harmless."""

    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One of a list: a label, what it says, and a line of small print."""

    label: str
    inlines: tuple[Inline, ...]
    small: str = ""
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class Entries:
    entries: tuple[Entry, ...]


Part = Heading | Note | Pairs | Prose | Entries

STATUS_WORDS = {
    PostmortemStatus.DRAFT: "draft",
    PostmortemStatus.IN_REVIEW: "in review",
    PostmortemStatus.PUBLISHED: "published",
}
_OUTCOMES = {
    "acted": "It was carried out.",
    "failed": "It was tried and did not happen.",
    "unknown": "It may or may not have happened.",
    "not_carried_out": "It was not carried out.",
}
_ACTIONS = {
    "acted": "done, but its effect was not seen",
    "failed": "refused, did not happen",
    "unknown": "may or may not have happened",
    "begun": "begun; its end is not known",
}


def words(moment: datetime | None) -> str:
    """`2026-11-24 10:02:11 UTC`, or nothing."""
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC") if moment else ""


def outline(document: Document) -> Iterator[Part]:
    """All of it, in reading order."""
    incident = document.incident
    yield Heading(1, clean(incident.title), "top")
    status = STATUS_WORDS[document.status]
    whose = f"version {document.version}" if document.version else "as the model wrote it"
    yield Note(f"Postmortem of {clean(incident.external_id)}, {status}, {whose}.")
    if not document.is_complete:
        yield Note("The run was not over: this document is unfinished.")
    if document.problem:
        yield Note(f"The model's answer is incomplete: {clean(document.problem)}")
    yield Pairs(tuple(_facts(document)))
    for section in document.sections:
        yield Heading(2, section.title, section.section.value)
        yield from _section(document, section)
        if section.section is Section.SUMMARY:
            yield Heading(2, "Timeline", "recorded")
            yield Note("Recorded by the desk, oldest first.")
            yield Entries(
                tuple(
                    Entry(words(moment.at), _line(moment.who, f" {moment.did}", moment.text))
                    for moment in document.timeline
                )
            )
        elif section.section is Section.IMPACT and document.clusters:
            yield Entries(
                tuple(
                    Entry(f"{one.count} times", (Code(one.label), *_cited(one.evidence, document)))
                    for one in document.clusters
                )
            )
    yield Heading(2, "Decision and actions", "decisions")
    yield from _decisions(document)
    yield Heading(2, "Action items", "action_items")
    if not document.items and not document.suggestions:
        yield Note("None was written down.")
    yield Entries(tuple(_items(document)))
    yield Heading(2, "Evidence", "evidence")
    yield Entries(
        tuple(
            Entry(
                str(item.n),
                (Text(clean(item.text)),),
                ", ".join(part for part in (item.kind.value, clean(item.source), words(item.at)) if part),
                f"evidence-{item.n}",
            )
            for item in document.evidence
        )
    )
    if not document.evidence:
        yield Note("None was recorded.")
    yield Heading(2, "Versions", "versions")
    if not document.versions:
        yield Note("Nobody has changed the model's text.")
    yield Entries(
        tuple(
            Entry(
                str(note.version),
                _line(note.by, f" {note.did}"),
                f"{words(note.at)}, {STATUS_WORDS[note.status]}",
            )
            for note in document.versions
        )
    )


def _facts(document: Document) -> Iterator[tuple[str, str]]:
    incident = document.incident
    yield "Severity", incident.severity.value
    yield "Service", clean(incident.service)
    yield "Status", incident.status.value.replace("_", " ")
    yield "Reported", f"{words(incident.created_at)} by {clean(incident.reported_by)}"
    if incident.resolved_at:
        yield "Resolved", words(incident.resolved_at)
    for fact in document.facts:
        yield fact.label, f"{fact.value} ({fact.note})" if fact.note else fact.value
    if document.confidence:
        reason = f": {clean(document.confidence_reason)}" if document.confidence_reason else ""
        yield "Confidence of the model", document.confidence.value.lower() + reason


def _section(document: Document, section: DocumentSection) -> Iterator[Part]:
    if section.is_missing:
        yield Note("Not written.")
        return
    if section.text is not None:
        yield Note(f"Written by {clean(section.by or 'somebody')}, {words(section.at)}.")
        yield Prose(tuple(_known(block, document.known) for block in parse(section.text)))
        for sentence in section.unsupported:
            yield Note(f"Unsupported, from the model, without evidence: “{clean(sentence)}”")
        return
    yield Note(f"Written by the model {clean(document.model or '')}".rstrip() + ".")
    for statement in section.statements:
        if statement.heading:
            yield Prose((Paragraph((Styled(True, (Text(statement.heading),)),)),))
        yield Prose(_statement(statement, document))


def _statement(statement: Statement, document: Document) -> tuple[Block, ...]:
    blocks = [_known(block, frozenset()) for block in parse(statement.text)]
    mark = _cited(statement.evidence, document) if statement.supported else (Text(" [unsupported]"),)
    if blocks and isinstance(blocks[-1], Paragraph):
        blocks[-1] = Paragraph((*blocks[-1].children, *mark))
    else:
        blocks.append(Paragraph(mark))
    if statement.at and isinstance(blocks[0], Paragraph):
        blocks[0] = Paragraph((Text(f"{moment_words(statement.at)}: "), *blocks[0].children))
    if statement.command:
        blocks.append(Paragraph((Code(statement.command),)))
    return tuple(blocks)


def _known(block: Block, known: AbstractSet[int]) -> Block:
    """Citations of evidence that is not there are text."""
    if isinstance(block, Paragraph):
        return Paragraph(tuple(_known_inline(part, known) for part in block.children))
    if isinstance(block, ItemList):
        items = tuple(tuple(_known(inner, known) for inner in item) for item in block.items)
        return replace(block, items=items)
    return block


def _known_inline(part: Inline, known: AbstractSet[int]) -> Inline:
    if isinstance(part, Styled):
        return Styled(part.strong, tuple(_known_inline(child, known) for child in part.children))
    if isinstance(part, Citation) and not known >= set(part.numbers):
        return Text(f"[{', '.join(map(str, part.numbers))}]")
    return part


def _cited(numbers: Iterable[int], document: Document) -> tuple[Inline, ...]:
    known = tuple(number for number in numbers if number in document.known)
    return (Text(" "), Citation(known)) if known else ()


def _line(who: str, did: str, text: str = "") -> tuple[Inline, ...]:
    return (Styled(True, (Text(clean(who)),)), Text(clean(did) + (f": {clean(text)}" if text else "")))


def _decisions(document: Document) -> Iterator[Part]:
    if not document.decisions and not document.actions:
        yield Note("Nobody was asked to decide, and nothing was carried out.")
    entries = []
    for decision in document.decisions:
        parts = [f"asked for {words(decision.asked_at)}"]
        if decision.at:
            parts.append(
                f"{decision.status.value} by {clean(decision.by or 'somebody')} {words(decision.at)}"
            )
        if decision.reason:
            parts.append(f"reason: {clean(decision.reason)}")
        if decision.cause:
            parts.append(f"cause: {clean(decision.cause)}")
        if decision.outcome:
            parts.append(
                f"{_OUTCOMES.get(decision.outcome, '')} {clean(decision.outcome_reason or '')}".strip()
            )
        parts.append(f"SHA-256 of what was decided on: {decision.content_hash}")
        entries.append(Entry(decision.status.value, (Text(clean(decision.proposed)),), "; ".join(parts)))
    for action in document.actions:
        is_seen = action.outcome.value == "acted" and action.verified
        outcome = "done and verified" if is_seen else _ACTIONS.get(action.outcome.value, action.outcome.value)
        small = f"begun {words(action.begun_at)}" + (
            f", ended {words(action.finished_at)}" if action.finished_at else ""
        )
        entries.append(Entry("action", (Text(f"{clean(action.title)}: {outcome}"),), small))
    if entries:
        yield Entries(tuple(entries))


def _items(document: Document) -> Iterator[Entry]:
    for item in document.items:
        parts = [f"{item.priority.value.lower()} priority", f"for {clean(item.owner_name or 'nobody')}"]
        if item.due_at:
            parts.append(f"until {item.due_at:%Y-%m-%d}")
        if item.done_at:
            parts.append(f"done {item.done_at:%Y-%m-%d} by {clean(item.done_by_name or 'somebody')}")
        yield Entry("done" if item.done_at else "open", (Text(clean(item.title)),), ", ".join(parts))
    for suggestion in document.suggestions:
        owner = f", for {clean(suggestion.owner)}" if suggestion.owner else ""
        yield Entry(
            "suggested by the model",
            (Text(clean(suggestion.title)), *_cited(suggestion.evidence, document)),
            f"{suggestion.priority.value.lower()} priority{owner}",
        )
