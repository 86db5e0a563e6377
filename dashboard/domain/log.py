"""An execution's log as a reader wants it: from a level up, of one step, with a word in it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from dashboard.domain.execution import LogLine
from dashboard.domain.steps import step_of, step_title

LEVELS = ("ERROR", "WARN", "INFO", "DEBUG")
"""What can be asked for, loudest first; TRACE comes with DEBUG. Kestra's own tasks log most at DEBUG."""


class Filter(NamedTuple):
    """`level` and louder; `step` None: all; `search` in any case, in message and step."""

    level: str = "DEBUG"
    step: str | None = None
    search: str = ""


def matching(lines: Iterable[LogLine], wanted: Filter) -> tuple[LogLine, ...]:
    """The lines that pass, in order. A level nobody knows is never hidden."""
    loud = LEVELS[: LEVELS.index(wanted.level) + 1]
    quiet = () if wanted.level == "DEBUG" else ({*LEVELS, "TRACE"} - set(loud))
    word = wanted.search.casefold()
    return tuple(
        line
        for line in lines
        if line.level not in quiet
        and (wanted.step is None or step_of(line.task_id) == wanted.step)
        and (not word or word in line.message.casefold() or word in step_title(line.task_id).casefold())
    )


def as_text(lines: Iterable[LogLine]) -> str:
    """One line each; what is broken within a message is indented, so that no text looks like another line."""
    return "\n".join(_line(line) for line in lines)


def _line(line: LogLine) -> str:
    step = f" [{step_title(line.task_id)}]" if line.task_id else ""
    attempt = f" (attempt {line.attempt + 1})" if line.attempt else ""
    message = "\n    ".join(line.message.splitlines())
    return f"{line.at:%H:%M:%S.%f}"[:-3] + f" {line.level:<5}{step}{attempt} {message}"
