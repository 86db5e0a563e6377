"""What a follower knows: the newest observation of an execution, and how old it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from dashboard.domain.execution import Execution, LogLine
from dashboard.errors import IncidentScribeError


class Source(StrEnum):
    """How an observation came."""

    STREAMED = "stream"
    POLLED = "polled"
    NONE = "none"  # nothing was seen yet


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The newest observation. `version` grows with every change worth drawing.

    `as_of` is when Kestra last confirmed it; `error` is why it could not be confirmed since.
    """

    execution: Execution | None = None
    as_of: datetime | None = None
    source: Source = Source.NONE
    error: IncidentScribeError | None = None
    version: int = 0


@dataclass(frozen=True, slots=True)
class LogSnapshot:
    """The log of an execution, oldest line first; the fields are those of a Snapshot.

    `is_cut`: older lines are not held here, there were too many.
    """

    lines: tuple[LogLine, ...] = ()
    as_of: datetime | None = None
    error: IncidentScribeError | None = None
    source: Source = Source.NONE
    version: int = 0
    is_cut: bool = False


Listener = Callable[[Snapshot], object]
LogListener = Callable[[LogSnapshot], object]
