"""Keeps the engine's disk bounded: of the executions that have ended, only the newest stay.

What waits or runs is never touched. An execution goes with its logs, outputs, metrics and files, by Kestra's
own purge.
"""

import sys
import threading
from typing import Any

from sandbox.kestra.bridge import JavaFailure, failures, java
from sandbox.kestra.engine import TENANT, Engine

_BATCH = 100
_STATE = "io.kestra.core.models.flows.State"
_FILTER = "io.kestra.core.models.QueryFilter"
_ENDED = ("SUCCESS", "WARNING", "FAILED", "KILLED", "CANCELLED", "RETRIED", "SKIPPED")


def purge(engine: Engine, keep: int, age_seconds: float) -> int:
    """Removes what has ended, but about `keep` of the newest and what began just now; how many it were."""
    with failures():
        ended = java("java.util.ArrayList")([java(f"{_STATE}$Type").valueOf(name) for name in _ENDED])
        first_too_many = _nth_newest(engine, keep + 1, ended)
        if first_too_many is None:
            return 0
        now = java("java.time.ZonedDateTime").now(java("java.time.ZoneOffset").UTC)
        until = now.minusSeconds(round(age_seconds))
        begun = first_too_many.getState().getStartDate().atZone(java("java.time.ZoneOffset").UTC)
        if begun.isBefore(until):
            until = begun
        service = engine.bean("io.kestra.core.services.ExecutionService")
        done = service.purge(True, True, True, True, TENANT, None, None, None, until, ended, _BATCH)
        return int(done.getExecutionsCount())


def _nth_newest(engine: Engine, number: int, states: Any) -> Any | None:
    """The `number`-th newest execution in one of the states, counted from 1; None if there are fewer."""
    wanted = java(_FILTER).builder().field(java(f"{_FILTER}$Field").STATE)
    wanted = wanted.operation(java(f"{_FILTER}$Op").IN).value(states).build()
    column = engine.executions.sortMapping().apply("state.startDate")
    newest_first = java("io.micronaut.data.model.Sort$Order").desc(column)
    order = java("io.micronaut.data.model.Sort").of(java("java.util.List").of(newest_first))
    page = java("io.micronaut.data.model.Pageable").from_(number, 1, order)
    found = engine.executions.find(page, TENANT, java("java.util.List").of(wanted))
    return None if found.isEmpty() else found.get(0)


def purge_regularly(engine: Engine, keep: int, every_seconds: float, age_seconds: float) -> None:
    """Purges again and again on a thread of its own, which ends with the process."""
    never = threading.Event()

    def run() -> None:
        while not never.wait(every_seconds):
            try:
                purge(engine, keep, age_seconds)
            except JavaFailure as failure:
                sys.stderr.write(f"Old executions could not be purged: {failure.message}\n")

    threading.Thread(target=run, name="purge", daemon=True).start()
