"""What went wrong, as text: the scenarios of `scenarios.toml` filled in, and those of `incidents.json`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from pydantic import Field, TypeAdapter

from dashboard.domain.analysis import Confidence, ErrorCluster
from dashboard.domain.evidence import EvidenceKind, Sentence
from dashboard.domain.postmortem import ActionItem, Remediation, RemediationStep
from dashboard.domain.severity import Severity
from dashboard.domain.shape import Json, Numbers, Shape

_CITED = re.compile(r"^(?P<text>.*) \[(?P<numbers>\d+(?:, \d+)*)\]$")


class PastEvidence(Shape):
    """`minute` counts from the report; None where the fact has no moment."""

    kind: EvidenceKind
    minute: float | None = None
    text: str
    source: str


class PastMoment(Shape):
    """A line of a timeline."""

    minute: float
    text: str
    evidence: Numbers


class PastDocumentation(Shape):
    """As the domain's documentation, with minutes in place of moments."""

    executive_summary: tuple[Sentence, ...]
    timeline: tuple[PastMoment, ...]
    root_cause_analysis: tuple[Sentence, ...]
    preventive_measures: tuple[Sentence, ...]
    action_items: tuple[ActionItem, ...]


class PastText(Shape):
    """Everything written about one incident. Evidence is numbered by its place, from 1."""

    external_id: str
    service: str
    severity: Severity
    title: str
    description: str
    logs: tuple[str, ...]
    metrics: Json
    context: Json
    root_cause: str
    impact: str
    error_clusters: tuple[ErrorCluster, ...]
    confidence_level: Confidence
    evidence: tuple[PastEvidence, ...] = Field(min_length=3)
    remediation: Remediation
    documentation: PastDocumentation


class Scenario(Shape):
    """One way for things to go wrong, as `scenarios.toml` describes it; {names} are not filled yet."""

    title: str
    description: str
    logs: tuple[str, ...]
    metrics: Json
    root_cause: str
    impact: str
    cluster: str
    facts: tuple[str, ...]
    steps: tuple[str, ...]
    rollback: tuple[str, ...]
    verification: tuple[str, ...]
    summary: tuple[str, ...]
    analysis: tuple[str, ...]
    prevention: tuple[str, ...]
    items: tuple[str, ...]

    def filled(self, values: Mapping[str, str]) -> Scenario:
        """With names in place of {names}. Raises KeyError for one that is not given."""
        return Scenario.model_validate(_filled(self.model_dump(), values))

    def text(self, external_id: str, service: str, severity: Severity, context: Json) -> PastText:
        """What is written about this incident; timeline and evidence follow from logs, metrics and facts."""
        lines = [line.split(" ", 1) for line in self.logs]
        evidence = [
            PastEvidence(kind=EvidenceKind.LOG, minute=float(minute), text=line, source=service)
            for minute, line in lines
        ]
        metrics = ", ".join(f"{name} {value}" for name, value in self.metrics.items())
        evidence.append(PastEvidence(kind=EvidenceKind.METRIC, minute=0, text=metrics, source="metrics"))
        for fact in self.facts:
            minute, source, line = fact.split("|")
            evidence.append(
                PastEvidence(kind=EvidenceKind.EVENT, minute=float(minute), text=line, source=source)
            )
        told = [n for n, item in enumerate(evidence, 1) if item.kind is EvidenceKind.EVENT or n == 1]
        timeline = [
            PastMoment(minute=evidence[n - 1].minute or 0, text=evidence[n - 1].text, evidence=(n,))
            for n in told
        ]
        timeline.append(PastMoment(minute=0, text="The incident was reported.", evidence=(len(lines) + 1,)))
        failing = tuple(n for n, (_, line) in enumerate(lines, 1) if not line.startswith("INFO"))
        return PastText(
            external_id=external_id,
            service=service,
            severity=severity,
            title=self.title,
            description=self.description,
            logs=self.logs,
            metrics=self.metrics,
            context=context,
            root_cause=self.root_cause,
            impact=self.impact,
            error_clusters=(ErrorCluster(label=self.cluster, count=len(failing) * 61, evidence=failing),),
            confidence_level=Confidence.HIGH if len(self.facts) > 1 else Confidence.MEDIUM,
            evidence=tuple(evidence),
            remediation=Remediation(
                steps=tuple(RemediationStep(**_sentence(step).model_dump()) for step in self.steps),
                rollback=_sentences(self.rollback),
                verification=_sentences(self.verification),
            ),
            documentation=PastDocumentation(
                executive_summary=_sentences(self.summary),
                timeline=tuple(sorted(timeline, key=lambda moment: moment.minute)),
                root_cause_analysis=_sentences(self.analysis),
                preventive_measures=_sentences(self.prevention),
                action_items=tuple(_item(item, failing) for item in self.items),
            ),
        )


def read_scenarios() -> dict[str, Scenario]:
    """All scenarios by name; the file is ours, so a mistake in it raises pydantic's ValidationError."""
    return TypeAdapter(dict[str, Scenario]).validate_python(tomllib.loads(read("scenarios.toml")))


def read_told() -> dict[str, PastText]:
    """The incidents that have a text of their own, by id."""
    told = TypeAdapter(list[PastText]).validate_json(read("incidents.json"))
    return {text.external_id: text for text in told}


def read(name: str) -> str:
    """A file of the demo's content."""
    return files("dashboard.seed").joinpath(name).read_text(encoding="utf-8")


def _filled(value: Any, values: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return value.format_map(values)
    if isinstance(value, Mapping):
        return {key: _filled(part, values) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_filled(part, values) for part in value]
    return value


def _sentence(written: str) -> Sentence:
    """`A sentence. [1, 2]` with what it cites."""
    found = _CITED.match(written)
    if found is None:
        raise ValueError(f"This sentence cites nothing: {written}")
    numbers = tuple(int(number) for number in found["numbers"].split(", "))
    return Sentence(text=found["text"], evidence=numbers)


def _sentences(written: Sequence[str]) -> tuple[Sentence, ...]:
    return tuple(_sentence(one) for one in written)


def _item(written: str, evidence: tuple[int, ...]) -> ActionItem:
    priority, title = written.split("|")
    return ActionItem.model_validate({"title": title, "priority": priority, "evidence": evidence})
