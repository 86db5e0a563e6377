"""Calls begun at the same moment, each on a connection of its own."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.sql.desk import Refused


def at_once(*calls: Callable[[], Any]) -> list[str]:
    """ "done", or the code of the refusal, for each."""
    barrier = threading.Barrier(len(calls))

    def attempt(call: Callable[[], Any]) -> str:
        barrier.wait(10)
        try:
            call()
        except Refused as no:
            return str(no.code)
        return "done"

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(attempt, calls))
