"""An incident while it is being written: the fields as typed, and the payload they make."""

from __future__ import annotations

import json
import secrets
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from dashboard.domain.incident import parse_payload
from dashboard.domain.shape import Instant, Shape, Texts
from dashboard.errors import FieldProblem, InvalidInput

MAX_DRAFT_CHARACTERS = 1_000_000


class Pair(Shape):
    """A row of metrics or context, as typed."""

    name: str = ""
    value: str = ""


class LogFile(Shape):
    """Log lines that came as a file."""

    name: str
    lines: Texts = ()


class Draft(Shape):
    """The fields of the form and the text of the JSON tab.

    `attempt` becomes the incident's id: what is pressed twice, or again after a lost answer, joins itself.
    """

    attempt: str = ""
    service: str = ""
    severity: str = ""
    title: str = ""
    description: str = ""
    logs: str = ""
    log_file: LogFile | None = None
    metrics: tuple[Pair, ...] = ()
    context: tuple[Pair, ...] = ()
    file_separately: bool = False
    json_text: str = ""

    @property
    def is_empty(self) -> bool:
        """Nothing worth keeping; a choice of service or severity alone is made again in a second."""
        typed = (self.title, self.description, self.logs, self.json_text)
        pairs = (part for pair in (*self.metrics, *self.context) for part in (pair.name, pair.value))
        return not self.log_file and not any(text.strip() for text in (*typed, *pairs))

    @property
    def log_lines(self) -> list[str]:
        """The file's lines, then the typed ones; blank lines say nothing and are left out."""
        typed = [line for line in self.logs.splitlines() if line.strip()]
        return [*(self.log_file.lines if self.log_file else ()), *typed]

    def without_json(self) -> Draft:
        """The form alone."""
        return self.model_copy(update={"json_text": ""})

    def to_payload(self) -> dict[str, Any]:
        """What `parse_payload` takes."""
        return {
            "id": self.attempt,
            "service": self.service,
            "severity": self.severity,
            "title": self.title,
            "description": self.description or None,
            "logs": self.log_lines,
            "metrics": {pair.name.strip(): number_or_text(pair.value) for pair in _named(self.metrics)},
            "context": {pair.name.strip(): pair.value.strip() for pair in _named(self.context)},
            "file_separately": self.file_separately,
        }

    def problems(self) -> tuple[FieldProblem, ...]:
        """Everything that is wrong with it, as far as that can be seen without asking the database."""
        found = [*_pair_problems("metrics", self.metrics), *_pair_problems("context", self.context)]
        try:
            parse_payload(self.to_payload())
        except InvalidInput as error:
            found.extend(error.fields)
        return tuple(found)

    def size(self) -> int:
        """Bytes of the payload as it travels."""
        return len(json.dumps(self.to_payload(), ensure_ascii=False).encode(errors="replace"))

    def is_too_large_to_keep(self) -> bool:
        return len(self.model_dump_json()) > MAX_DRAFT_CHARACTERS


class StoredDraft(Shape):
    """A draft as the database keeps it for its writer."""

    content: Draft
    version: int
    saved_at: Instant


class SaveReceipt(Shape):
    """The answer of `save_draft`."""

    version: int
    saved_at: Instant


def new_attempt(now: datetime) -> str:
    """An id for what is being written, of the form that the database gives."""
    return f"INC-{now:%Y%m%d}-{secrets.token_hex(4).upper()}"


def draft_of_payload(payload: Mapping[str, Any], attempt: str, lines_from: str = "") -> Draft:
    """A payload put into the form; its log lines as a file where `lines_from` names one."""
    lines = tuple(str(line) for line in payload.get("logs") or ())
    return Draft(
        attempt=attempt,
        service=str(payload.get("service") or ""),
        severity=str(payload.get("severity") or ""),
        title=str(payload.get("title") or ""),
        description=str(payload.get("description") or ""),
        logs="" if lines_from else "\n".join(lines),
        log_file=LogFile(name=lines_from, lines=lines) if lines_from else None,
        metrics=_pairs(payload.get("metrics") or {}),
        context=_pairs(payload.get("context") or {}),
    )


def number_or_text(text: str) -> float | int | str:
    """A metric's value as a number where it is one; `nan` and `inf` stay text, JSON has no word for them."""
    text = text.strip()
    for kind in (int, float):
        try:
            value: float | int = kind(text)
        except ValueError:
            continue
        return value if value - value == 0 else text
    return text


def _named(pairs: Iterable[Pair]) -> list[Pair]:
    return [pair for pair in pairs if pair.name.strip()]


def _pairs(values: Mapping[str, Any]) -> tuple[Pair, ...]:
    return tuple(
        Pair(name=name, value=value if isinstance(value, str) else json.dumps(value))
        for name, value in values.items()
    )


def _pair_problems(field: str, pairs: Iterable[Pair]) -> list[FieldProblem]:
    pairs = list(pairs)
    counts = Counter(pair.name.strip() for pair in _named(pairs))
    found = [
        FieldProblem(f"{field}.{name}", "stands twice; only one of the two could be kept")
        for name, count in counts.items()
        if count > 1
    ]
    for pair in pairs:
        if pair.value.strip() and not pair.name.strip():
            found.append(FieldProblem(field, f"the value {pair.value.strip()[:40]!r} has no name"))
    return found
