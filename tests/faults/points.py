"""The places at which a process is killed: before a call leaves it, and after its answer has come."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

import httpx

When = Literal["before", "after"]

# What the parts of an address are called here.
_KESTRA = (
    (re.compile(r"/executions/webhook/"), "webhook"),
    (re.compile(r"/actions/resume$|/resume$"), "resume"),
    (re.compile(r"/actions/kill$|/kill$"), "kill"),
    (re.compile(r"/executions/[^/]+$"), "execution"),
    (re.compile(r"/configs$"), "configs"),
)
# Of what the outbox hands out, what belongs to the part of the story that is looked at.
KINDS = {
    "start": "start_run",
    "decision": "deliver_decision",
    "expiry": "deliver_decision",
    "kill": "command",
    "notice": "notice",
}


class Point(NamedTuple):
    """`phase` is the part of the story, `call` the call's name, `nth` its number in the process's life."""

    phase: str
    call: str
    when: When
    nth: int = 1

    def __str__(self) -> str:
        again = "" if self.nth == 1 else f"#{self.nth}"
        return f"{self.phase}/{self.when}/{self.call}{again}"

    @classmethod
    def parse(cls, text: str) -> Point:
        phase, when, call = text.split("/")
        name, _, nth = call.partition("#")
        return cls(phase, name, "before" if when == "before" else "after", int(nth or 1))


def name_of(request: httpx.Request) -> str:
    """What a call of the worker is called: a function's name, a table's, or what it asks of Kestra."""
    path = request.url.path
    if path.startswith("/rest/v1/"):
        return path.rsplit("/", 1)[1]
    if path.startswith("/services/"):
        return "slack"
    return next((name for pattern, name in _KESTRA if pattern.search(path)), path)


def _both(phase: str, *calls: str) -> list[Point]:
    return [
        Point(phase, name, when, int(nth or 1))
        for call in calls
        for name, _, nth in (call.partition("#"),)
        for when in ("before", "after")
    ]


WORKER: list[Point] = [
    *_both("start", "take_outbox", "incidents", "webhook", "settle_outbox"),
    *_both("decision", "take_outbox", "configs", "execution", "resume", "execution#2", "settle_outbox"),
    *_both("kill", "take_outbox", "kill", "settle_outbox"),
    *_both("expiry", "expire_approvals", "resume"),
    *_both("reminder", "remind_approvals"),
    *_both("watch", "take_checks", "note_kestra"),
    *_both("notice", "take_outbox", "slack", "settle_outbox"),
]
ACT: list[Point] = [
    *_both("act", "begin_action", "request", "verify", "finish_action"),
]
CLIENT: list[Point] = [
    *_both("client", "submit_incident", "decide_approval"),
]
ALL = [*WORKER, *ACT, *CLIENT]

# For every run of the tests: where something was done and nobody knows it yet.
FEW = [
    Point.parse(text)
    for text in (
        "start/after/webhook",
        "start/before/settle_outbox",
        "decision/after/take_outbox",
        "decision/after/resume",
        "decision/before/settle_outbox",
        "kill/after/kill",
        "expiry/after/expire_approvals",
        "notice/after/slack",
        "act/after/request",
        "client/after/decide_approval",
    )
]
