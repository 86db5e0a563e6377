"""A bell in this process: whoever puts work into the outbox rings, the worker wakes at once.

It says nothing about other processes; their workers look once a second.
"""

from __future__ import annotations

import threading

_rung = threading.Event()


def ring() -> None:
    """Wake the worker of this process, if there is one."""
    _rung.set()


def wait(timeout_seconds: float) -> bool:
    """Wait for the bell; True when it rang. One worker per process waits here."""
    rang = _rung.wait(timeout_seconds)
    _rung.clear()
    return rang
