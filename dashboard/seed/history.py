"""The demo's past as arguments of `import_incident`: each minute of the files is a moment before today."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from dashboard.domain.clock import to_iso
from dashboard.domain.evidence import EvidenceKind, Sentence
from dashboard.seed.catalogue import ADDRESSES
from dashboard.seed.happenings import Happening
from dashboard.seed.scenarios import PastDocumentation, PastText

Payload = dict[str, Any]

_MINUTE = re.compile(r"^(-?\d+) (.*)$")
_ACTION = [{"action_key": "restart_service", "parameters": [{"name": "instances", "value": "3"}]}]
_MODEL = "demo history"
# What a run of this size takes; imported like everything else.
_TOKENS_BEFORE, _TOKENS_EACH = 1900, 14
_ACT_SECONDS = 38


def import_payload(
    happening: Happening, text: PastText, organization_id: str, today: datetime, minutes_to_decide: int = 60
) -> Payload:
    """The argument of `import_incident` for one incident, as seen from `today`.

    `minutes_to_decide` is the rule of its service.
    """
    when = Clock(happening.opened_at(today))
    over = happening.again or happening.resolve
    payload: Payload = {
        "organization_id": organization_id,
        "external_id": happening.id,
        "opened_at": when.at(0),
        "occurrences": happening.reports,
        "submitted_by": _address(happening.by),
        "needs": happening.needs,
        "logs": [when.log_line(line) for line in text.logs],
        "run_ended_at": when.at(_run_minutes(happening, minutes_to_decide)),
        "model": _MODEL,
        "tokens": _tokens(text, happening),
        "events": _events(happening, when),
        **text.model_dump(
            mode="json",
            include={"service", "severity", "title", "description", "metrics", "context"},
        ),
        **_found(text, happening, when),
        "resolved_at": None if over is None else when.at(over),
        "resolved_by": _address(happening.resolver),
    }
    if happening.ack is not None:
        payload["acknowledged"] = {"at": when.at(happening.ack), "by": _address(happening.taker)}
    if happening.end in ("escalated", "failed"):
        payload["escalation"] = {"at": when.at(1.5), "reason": _escalation_reason(happening, text)}
    elif happening.end != "auto":
        payload["decision"] = _decision(happening, when, minutes_to_decide)
    else:
        payload["decision"] = {"actions": _ACTION, "act": _act(when, 1.8, "acted")}
    if happening.end == "failed":
        payload["run_state"] = "FAILED"
        payload["run_problem"] = (
            f"The run failed after what could be written was saved: {_failure(happening)[1]}."
        )
    if happening.document:
        payload["postmortem"] = _document(happening, when)
    return {name: value for name, value in payload.items() if value is not None}


class Clock:
    """Minutes after the report as moments."""

    def __init__(self, opened_at: datetime) -> None:
        self._opened_at = opened_at

    def at(self, minute: float) -> str:
        return to_iso(self._opened_at + timedelta(minutes=minute))

    def log_line(self, line: str) -> str:
        """`-4 WARN …` as `02:10:11 WARN …`; a line that has its time already stays."""
        found = _MINUTE.match(line)
        if found is None:
            return line
        seconds = int(found[1]) * 60 - len(line) % 50
        return f"{self._opened_at + timedelta(seconds=seconds):%H:%M:%S} {found[2]}"


def _run_minutes(happening: Happening, minutes_to_decide: int) -> float:
    """When its run was over: soon, but for a decision that was waited for."""
    waited = happening.decide or happening.ended
    if happening.end == "expired":
        return happening.ask + minutes_to_decide
    return waited + 1.2 if waited is not None else 2.6


def _address(name: str | None) -> str | None:
    return None if name is None else ADDRESSES[name]


def _events(happening: Happening, when: Clock) -> list[Payload]:
    events: list[Payload] = [{"kind": "run_started", "at": when.at(0.1)}]
    for number in range(1, happening.reports):
        events.append({"kind": "seen_again", "at": when.at(number * 0.7), "by": _address(happening.by)})
    if happening.note and happening.ack is not None:
        minute = happening.reopen or happening.ack
        note = {"text": happening.note}
        events.append(
            {"kind": "note", "at": when.at(minute), "by": _address(happening.taker), "detail": note}
        )
    if happening.reopen is not None and happening.resolve is not None:
        resolver = _address(happening.resolver)
        events.append({"kind": "resolved", "at": when.at(happening.resolve), "by": resolver})
        events.append({"kind": "reopened", "at": when.at(happening.reopen), "by": resolver})
    return events


def _found(text: PastText, happening: Happening, when: Clock) -> Payload:
    """What the run wrote; a step whose answer could not be used wrote nothing, and the failure is kept."""
    over = happening.resolve or 0
    evidence = [
        {
            "n": n,
            "kind": item.kind.value,
            # Nothing is known that happened after the incident was over.
            "at": None if item.minute is None else when.at(min(item.minute, max(over - 0.5, 0))),
            "text": item.text,
            "source": item.source,
        }
        for n, item in enumerate(text.evidence, 1)
        if happening.resolve is not None or item.kind is not EvidenceKind.EVENT or (item.minute or 0) <= 0
    ]
    found: Payload = {"evidence": evidence}
    step, problem = _failure(happening)
    if step:
        found["model_failures"] = {step: {"problem": problem}}
    if step != "analyze":
        found |= text.model_dump(
            mode="json", include={"root_cause", "impact", "error_clusters", "confidence_level"}
        )
    if happening.resolve is not None and step != "analyze":
        found["remediation"] = text.remediation.model_dump(mode="json", exclude_none=True)
    if happening.resolve is not None and not step:
        found["documentation"] = _documentation(text.documentation, when, over)
    return found


def _documentation(written: PastDocumentation, when: Clock, over: float) -> Payload:
    timeline = [
        {"at": when.at(min(line.minute, over - 0.5)), "text": line.text, "evidence": list(line.evidence)}
        for line in written.timeline
    ]
    return written.model_dump(mode="json", exclude={"timeline"}) | {"timeline": timeline}


def _failure(happening: Happening) -> tuple[str, str]:
    """Step and problem of a model's answer that could not be used."""
    step, _, problem = (happening.failure or "").partition("|")
    return step, problem


def _decision(happening: Happening, when: Clock, minutes_to_decide: int) -> Payload:
    deadline = happening.ask + minutes_to_decide
    status = "approved" if happening.end == "unknown" else happening.end
    decision: Payload = {
        "actions": _ACTION,
        "asked_at": when.at(happening.ask),
        "deadline_at": when.at(deadline),
        "status": status,
        "reason": happening.reason,
        "cause": happening.cause,
    }
    if happening.decide is not None:
        decision |= {"by": _address(happening.decider), "decided_at": when.at(happening.decide)}
    if happening.end == "approved" and happening.decide is not None:
        decision |= {
            "outcome": "acted",
            "outcome_reason": "The restart was carried out and its effect was seen.",
            "act": _act(when, happening.decide + 0.3, "acted"),
        }
    elif happening.end == "unknown" and happening.decide is not None:
        decision |= {
            "outcome": "unknown",
            "outcome_reason": "The restart was begun and gave no answer: it may or may not have happened.",
            "act": _act(when, happening.decide + 0.3, "unknown"),
        }
    elif happening.end == "expired":
        decision |= {"cause": "Nobody decided before the deadline.", "ended_at": when.at(deadline)}
    elif happening.end == "cancelled" and happening.ended is not None:
        decision["ended_at"] = when.at(happening.ended)
    return {name: value for name, value in decision.items() if value is not None}


def _act(when: Clock, minute: float, status: str) -> Payload:
    act: Payload = {
        "status": status,
        "begun_at": when.at(minute),
        "finished_at": when.at(minute + _ACT_SECONDS / 60),
    }
    return act | ({"verified": True, "detail": {"code": 202, "seconds": 1.4}} if status == "acted" else {})


def _escalation_reason(happening: Happening, text: PastText) -> str:
    if happening.end == "failed":
        return f"The run could not be finished ({_failure(happening)[1]}); a person has to look."
    return f"{text.severity} incidents are handed to a person at once."


def _tokens(text: PastText, happening: Happening) -> Payload:
    """As the source of the history counted them, by step."""
    prompt = _TOKENS_BEFORE + _TOKENS_EACH * sum(len(line) for line in text.logs) // 4
    step, _ = _failure(happening)
    output = 280 if step else 640 + sum(_length(one) for one in text.documentation.root_cause_analysis) // 4
    return {"run": {"prompt": prompt, "output": output, "total": prompt + output}}


def _length(sentence: Sentence) -> int:
    return len(sentence.text)


def _document(happening: Happening, when: Clock) -> Payload:
    """Reviewed the day after, published a day later, with the items people took over."""
    day = 24 * 60
    reviewed, published = when.at(day), when.at(2 * day)
    versions: list[Payload] = []
    if happening.lessons:
        versions.append({"status": "draft", "change": "edited", "section": "lessons", "at": reviewed})
    versions.append({"status": "in_review", "change": "status", "at": reviewed})
    if happening.document == "published":
        versions.append({"status": "published", "change": "status", "at": published})
    document: Payload = {"by": _address(happening.author), "at": reviewed, "versions": versions}
    if happening.lessons:
        document["lessons"] = happening.lessons
    document["items"] = [_item(line, when) for line in happening.items]
    return document


def _item(line: str, when: Clock) -> Payload:
    """`20|omar|Title`, due 20 days after the report, or `done 9|omar|Title`."""
    days, owner, title = line.split("|")
    number = int(days.removeprefix("done "))
    item: Payload = {"title": title, "owner": ADDRESSES[owner], "due_at": when.at((number + 3) * 24 * 60)}
    if days.startswith("done "):
        item["done_at"] = when.at(number * 24 * 60)
    else:
        item["due_at"] = when.at(number * 24 * 60)
    return item
