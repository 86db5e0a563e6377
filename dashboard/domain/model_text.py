"""What a model wrote for each section of a postmortem: as statements, and as Markdown to go on with."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from dashboard.domain.analysis import AiAnalysis
from dashboard.domain.clock import parse_instant
from dashboard.domain.evidence import Sentence
from dashboard.domain.markup import CITATION, clean, parse, plain
from dashboard.domain.postmortem import Documentation, Remediation, RemediationStep, Section
from dashboard.domain.rewrite import code_span
from dashboard.domain.shape import Numbers, Shape


class Statement(Shape):
    """Something the model states; not `supported` when it names no evidence that exists.

    `at` is as the model wrote it, `heading` begins a part of the section, `command` is text to read.
    """

    text: str
    evidence: Numbers = ()
    supported: bool = True
    at: str | None = None
    heading: str | None = None
    command: str | None = None


def model_statements(section: Section, found: AiAnalysis) -> tuple[Statement, ...]:
    """The statements of a section in reading order; none where the model wrote nothing."""
    known = {item.n for item in found.evidence}
    written = found.documentation or Documentation()
    if section is Section.TIMELINE:
        return tuple(
            _statement(Sentence(text=entry.text, evidence=entry.evidence), known, at=entry.at)
            for entry in written.timeline
        )
    if section is Section.REMEDIATION:
        return _plan(found.remediation or Remediation(), known)
    sentences: Sequence[Sentence] = ()
    if section is Section.SUMMARY:
        sentences = written.executive_summary
    elif section is Section.ROOT_CAUSE:
        cause = _first(found.analysis.root_cause if found.analysis else None, found.root_cause)
        more = [one for one in written.root_cause_analysis if one.text not in {part.text for part in cause}]
        sentences = [*cause, *more]
    elif section is Section.IMPACT:
        sentences = _first(found.analysis.impact if found.analysis else None, found.impact)
    elif section is Section.PREVENTION:
        sentences = written.preventive_measures
    return tuple(_statement(sentence, known) for sentence in sentences)


def _first(checked: Sentence | None, stored: str | None) -> list[Sentence]:
    # Imported history has the sentence and no checked analysis.
    return [checked] if checked else [Sentence(text=stored)] if stored else []


def _plan(plan: Remediation, known: set[int]) -> tuple[Statement, ...]:
    parts: list[tuple[str | None, Sequence[Sentence | RemediationStep]]] = [
        (None, plan.steps),
        ("Verification", plan.verification),
        ("Rollback", plan.rollback),
    ]
    return tuple(
        _statement(
            Sentence(text=one.text, evidence=one.evidence),
            known,
            heading=heading if not number else None,
            command=one.command if isinstance(one, RemediationStep) else None,
        )
        for heading, sentences in parts
        for number, one in enumerate(sentences)
    )


def _statement(sentence: Sentence, known: set[int], **more: str | None) -> Statement:
    sound = tuple(dict.fromkeys(number for number in sentence.evidence if number in known))
    return Statement(text=sentence.text, evidence=sound, supported=bool(sound), **more)


def moment_words(at: str | None) -> str:
    """A moment that a model wrote, as every other one in a document; what is none stays as it was written."""
    try:
        return parse_instant(at).strftime("%Y-%m-%d %H:%M:%S UTC") if at else ""
    except ValueError:
        return clean(at or "")


_MARKS = re.compile(r"([\\`*_\[\]<>#])")


def to_edit(statements: Iterable[Statement]) -> str:
    """Statements as Markdown to begin an edit with: the same words, with their numbers as `[1, 2]`."""
    parts = []
    for one in statements:
        if one.heading:
            parts.append(f"**{one.heading}**")
        at = f"{moment_words(one.at)}: " if one.at else ""
        words = _literal(f"{at}{' '.join(clean(one.text).split())}")
        numbers = f" [{', '.join(map(str, one.evidence))}]" if one.evidence else ""
        parts.append(words + numbers + (f"  \n{code_span(one.command)}" if one.command else ""))
    return "\n\n".join(parts)


def _literal(words: str) -> str:
    """Markdown that shows the words letter by letter; numbers in brackets cite nothing there."""
    parts, end = [], 0
    for found in CITATION.finditer(words):
        parts += [_MARKS.sub(r"\\\1", words[end : found.start()]), code_span(found[0])]
        end = found.end()
    return "".join([*parts, _MARKS.sub(r"\\\1", words[end:])])


def left_unsupported(statements: Iterable[Statement], text: str) -> tuple[str, ...]:
    """Sentences of the model without evidence that people left in their text as they were."""
    kept = set(_lines(text))
    return tuple(
        one.text for one in statements if not one.supported and not kept.isdisjoint(_lines(one.text))
    )


def _lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in plain(parse(text)).split("\n") if line.strip()]
