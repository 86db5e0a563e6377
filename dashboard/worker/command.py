"""Delivering a command: what a person asked of a run, told to the Kestra that runs it.

Told is not done: how the execution ends, the flow or the reconciler reports. A command that can have
no effect any more is settled with a note that says why, since another try would change nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

from dashboard.domain.execution import Execution, state_word
from dashboard.errors import Conflict, InvalidInput, NotFound, UpstreamUnreachable
from dashboard.store.outbox import Leased, Settlement


class Command(StrEnum):
    """What can be asked of an execution; running an incident again is a start, not a command."""

    KILL = "kill"
    RESTART = "restart"


class CommandApi(Protocol):
    def get_execution(self, execution_id: str) -> Execution: ...

    def kill(self, execution_id: str) -> None: ...

    def restart(self, execution_id: str) -> None: ...


class Commander:
    """Decides what to do with one command that is owed to Kestra; settles nothing itself."""

    def __init__(self, kestra: CommandApi, instance_uuid: Callable[[], str | None]) -> None:
        self._kestra = kestra
        self._instance_uuid = instance_uuid

    def attempt(self, owed: Leased) -> Settlement:
        """Tell Kestra once. Raises errors of our tree that are not about the command."""
        command = Command(owed.payload["command"])
        execution_id = str(owed.payload["kestra_execution_id"])
        asked = owed.payload.get("kestra_instance")
        answers = self._instance_uuid()
        if asked and asked != answers:
            return Settlement.retry(
                f"The Kestra that answers at this address is {answers or 'nameless'}, not {asked}, which runs"
                f" the execution {execution_id}. The {command} was not sent."
            )
        try:
            execution = self._kestra.get_execution(execution_id)
            if command is Command.KILL:
                return self._kill(execution)
            return self._restart(owed, execution)
        except NotFound:
            return Settlement.done(state=None, note=f"Kestra does not know the execution {execution_id}.")

    def _kill(self, execution: Execution) -> Settlement:
        if execution.is_terminal:
            return Settlement.done(
                state=execution.state, note=f"It had ended before the kill: {_label(execution)}."
            )
        self._kestra.kill(execution.id)
        return Settlement.done(state=execution.state)

    def _restart(self, owed: Leased, execution: Execution) -> Settlement:
        if not execution.is_terminal:
            return Settlement.done(
                state=execution.state, note=f"Nothing to restart: it is {_label(execution)}."
            )
        changes = len(execution.history)
        # An earlier restart of ours that had no answer, but an effect: it has ended once more since.
        if changes > owed.detail.get("sent_after_changes", changes):
            return Settlement.done(
                state=execution.state, note=f"It was restarted and has ended again: {_label(execution)}."
            )
        try:
            self._kestra.restart(execution.id)
        except (Conflict, InvalidInput) as refused:
            return Settlement.done(state=execution.state, note=refused.what)
        except UpstreamUnreachable as error:
            return Settlement.retry(str(error), sent_after_changes=changes)
        return Settlement.done(state=execution.state)


def _label(execution: Execution) -> str:
    return state_word(execution.state).label.lower()
