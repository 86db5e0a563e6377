"""Log lines of executions: those stored, and those announced as they are written."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import QueryParams

from sandbox.kestra import bridge
from sandbox.kestra.answers import Refusal
from sandbox.kestra.bridge import failures, java
from sandbox.kestra.engine import TENANT, Engine

_LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR")
_MIN_LEVEL = "filters[level][GREATER_THAN_OR_EQUAL_TO]"
_TASK = "filters[taskId][EQUALS]"

Line = dict[str, Any]
Hear = Callable[[Line], object]


@dataclass(frozen=True)
class Wanted:
    """Which lines of an execution; None means any."""

    execution: str
    level: str | None = None
    task: str | None = None

    @classmethod
    def of(cls, execution: str, query: QueryParams) -> "Wanted":
        """What a request asks for. As in 2.0 other parameters are ignored; other filters are 501."""
        for name in query:
            if name.startswith("filters[") and name not in (_MIN_LEVEL, _TASK):
                raise Refusal(501, f"The sandbox's Kestra does not serve {name} on logs.")
        level = query.get(_MIN_LEVEL)
        if level is not None and level not in _LEVELS:
            raise Refusal(
                422, f"Illegal argument: {level} is no log level. Expected one of: {', '.join(_LEVELS)}"
            )
        return cls(execution, level, query.get(_TASK))

    def includes(self, line: Line) -> bool:
        """Whether a line of this execution is meant."""
        is_grave = self.level is None or _LEVELS.index(line["level"]) >= _LEVELS.index(self.level)
        return is_grave and self.task in (None, line.get("taskId"))


def stored_lines(engine: Engine, wanted: Wanted) -> list[Line]:
    """The lines in the engine's database, oldest first; they reach it a moment after they were announced."""
    with failures():
        level = None if wanted.level is None else java("org.slf4j.event.Level").valueOf(wanted.level)
        tasks = None if wanted.task is None else java("java.util.List").of(wanted.task)
        service = engine.bean("io.kestra.core.services.ExecutionLogService")
        entries = service.getExecutionLogs(TENANT, wanted.execution, level, None, tasks, None, True)
        lines: list[Line] = bridge.to_python(entries)
        return lines


def identity(line: Line) -> tuple[object, ...]:
    """What makes a line this one. It is announced with nanoseconds and stored with microseconds."""
    whole, _, fraction = line["timestamp"].rstrip("Z").partition(".")
    moment = f"{whole}.{fraction[:6]:0<6}"
    return (moment, line.get("taskRunId"), line.get("attemptNumber"), line["level"], line.get("message"))


class Announcements:
    """Lines as they are written, given to whoever listens to their execution.

    One subscriber at the engine's queue serves all, as in Kestra's own server, and only while somebody
    listens.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._listeners: dict[str, list[Hear]] = {}
        self._subscriber: Any = None

    def listen(self, execution: str, hear: Hear) -> None:
        """Calls `hear` on one of Java's threads with every line announced from now on."""
        with self._lock:
            self._listeners.setdefault(execution, []).append(hear)
            if self._subscriber is None:
                with failures():
                    queue = self._engine.generic_bean(
                        "io.kestra.core.queues.BroadcastQueueInterface",
                        "io.kestra.core.runners.FollowLogEvent",
                    )
                    self._subscriber = queue.subscriber().subscribe(bridge.consumer(self._announce))

    def leave(self, execution: str, hear: Hear) -> None:
        """Ends what `listen` began."""
        with self._lock:
            listeners = self._listeners.get(execution, [])
            if hear in listeners:
                listeners.remove(hear)
            if not listeners:
                self._listeners.pop(execution, None)
            idle = None if self._listeners else self._subscriber
            if idle is not None:
                self._subscriber = None
        if idle is not None:  # closed outside the lock, for which its thread may be waiting
            idle.close()

    def _announce(self, received: Any) -> None:
        if not received.isLeft():
            return  # not readable: the engine has written it to its log
        event = received.getLeft()
        for hear in self._heard_by(str(event.executionId())):
            hear(bridge.to_python(event))

    def _heard_by(self, execution: str) -> Iterable[Hear]:
        with self._lock:
            return tuple(self._listeners.get(execution, ()))
