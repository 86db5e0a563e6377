"""Kestra's executions: states, their order in time, and the words for them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple

from pydantic import Field

from dashboard.domain.shape import Instant, Json, Shape, Texts

LOST = "LOST"
"""The desk's own word, written by the database when Kestra no longer knows an execution."""

TERMINAL_STATES = frozenset(
    {"SUCCESS", "WARNING", "FAILED", "KILLED", "CANCELLED", "RETRIED", "SKIPPED", LOST}
)
"""States after which an execution does nothing more by itself (a restart may still wake it)."""

# The engine writes nanoseconds into its stream and stores microseconds.
_SAME_MOMENT = timedelta(milliseconds=1)


class Tone(StrEnum):
    """How a state feels; the screen adds colour and sign."""

    WAITING = "waiting"
    WORKING = "working"
    GOOD = "good"
    ATTENTION = "attention"
    BAD = "bad"
    QUIET = "quiet"


class StateWord(NamedTuple):
    """A state for people: a short label, one sentence of meaning, a tone."""

    label: str
    meaning: str
    tone: Tone


_WORDS = {
    "CREATED": StateWord("Created", "Kestra has accepted it and will begin soon.", Tone.WAITING),
    "QUEUED": StateWord("Queued", "It waits for a free place.", Tone.WAITING),
    "SUBMITTED": StateWord("Submitted", "Handed to a worker that has not begun yet.", Tone.WAITING),
    "RUNNING": StateWord("Running", "It is working.", Tone.WORKING),
    "RESTARTED": StateWord("Restarted", "It goes on after a pause or a failure.", Tone.WORKING),
    "RETRYING": StateWord("Retrying", "A step failed and is tried again.", Tone.WORKING),
    "PAUSED": StateWord("Waiting for a decision", "It goes on once somebody has decided.", Tone.ATTENTION),
    "BREAKPOINT": StateWord("Breakpoint", "Stopped by hand in Kestra.", Tone.ATTENTION),
    "RESUBMITTED": StateWord(
        "Resubmitted", "Handed to another worker after the first was lost.", Tone.WORKING
    ),
    "KILLING": StateWord("Being killed", "It was told to stop and has not stopped yet.", Tone.ATTENTION),
    "SUCCESS": StateWord("Succeeded", "It ran to its end.", Tone.GOOD),
    "WARNING": StateWord(
        "Ended with a problem", "It ran to its end, but something needs a person.", Tone.ATTENTION
    ),
    "FAILED": StateWord("Failed", "A step failed and the run ended.", Tone.BAD),
    "KILLED": StateWord("Killed", "Somebody stopped it.", Tone.BAD),
    "CANCELLED": StateWord("Cancelled", "It was ended before its end.", Tone.BAD),
    "LOST": StateWord("Lost", "Kestra does not know it any more.", Tone.BAD),
    "RETRIED": StateWord("Retried", "It failed; another execution took its place.", Tone.QUIET),
    LOST: StateWord("Lost", "Kestra no longer knows it; nothing more is begun for it.", Tone.BAD),
    "SKIPPED": StateWord("Skipped", "It did not have to run.", Tone.QUIET),
}


def state_word(state: str) -> StateWord:
    """The words for a state. One we do not know is never shown as a success."""
    known = _WORDS.get(state)
    return known or StateWord(state, "The desk does not know this state; look at Kestra.", Tone.ATTENTION)


def is_terminal(state: str) -> bool:
    return state in TERMINAL_STATES


class StateChange(Shape):
    """One entry of a state history."""

    state: str
    at: Instant


class TaskRun(Shape):
    """Kestra's run of one task. `outputs` is empty on the 2.0 line, which keeps them elsewhere."""

    id: str
    task_id: str
    parent_id: str | None = None
    value: str | None = None
    state: str
    history: tuple[StateChange, ...] = ()
    attempts: int = 0
    outputs: Json = Field(default_factory=dict)

    @property
    def started_at(self) -> Instant | None:
        """When a worker began, or when it was created if it never got so far."""
        running = next((change.at for change in self.history if change.state == "RUNNING"), None)
        return running or (self.history[0].at if self.history else None)

    @property
    def ended_at(self) -> Instant | None:
        return self.history[-1].at if self.history and is_terminal(self.state) else None

    @property
    def was_paused(self) -> bool:
        return any(change.state == "PAUSED" for change in self.history)


class Execution(Shape):
    """Kestra's run of the flow, as observed at one moment."""

    id: str
    namespace: str
    flow_id: str
    flow_revision: int | None = None
    state: str
    history: tuple[StateChange, ...] = ()
    task_runs: tuple[TaskRun, ...] = ()
    inputs: Json = Field(default_factory=dict)
    outputs: Json = Field(default_factory=dict)
    labels: dict[str, str] = Field(default_factory=dict)
    original_id: str | None = None
    parent_id: str | None = None

    @property
    def is_terminal(self) -> bool:
        return is_terminal(self.state)

    @property
    def is_paused(self) -> bool:
        return self.state == "PAUSED"

    @property
    def started_at(self) -> Instant | None:
        return self.history[0].at if self.history else None

    @property
    def ended_at(self) -> Instant | None:
        return self.history[-1].at if self.history and self.is_terminal else None

    @property
    def current_task_id(self) -> str | None:
        """The task it is at: the youngest that has not ended, else the last one begun.

        Tasks that only hold others say nothing about where it is, so they do not count.
        """
        holders = {run.parent_id for run in self.task_runs}
        leaves = [run for run in self.task_runs if run.id not in holders]
        unfinished = [run for run in leaves if not is_terminal(run.state)]
        latest = max(unfinished or leaves, key=_creation, default=None)
        return latest.task_id if latest else None

    def task_run(self, task_id: str) -> TaskRun | None:
        """The latest run of a task."""
        runs = [run for run in self.task_runs if run.task_id == task_id]
        return max(runs, key=_creation) if runs else None

    def pause_ended(self, task_id: str) -> bool:
        """Whether the Pause of that name was reached and has been left again."""
        run = self.task_run(task_id)
        return run is not None and run.was_paused and run.state != "PAUSED"


class LogLine(Shape):
    """One log entry of an execution."""

    at: Instant
    level: str = "INFO"
    message: str = ""
    task_id: str | None = None
    task_run_id: str | None = None
    attempt: int | None = None


class FlowIdentity(Shape):
    """A flow as Kestra stores it; `source` is its YAML."""

    id: str
    namespace: str
    revision: int
    source: str = ""
    disabled: bool = False


class ExecutionRecord(Shape):
    """A row of `executions`: what Supabase knows about a run."""

    id: str
    organization_id: str
    incident_id: str
    run_id: str | None = None
    kestra_execution_id: str
    kestra_instance: str | None = None
    requested_by: str | None = None
    requested_by_name: str | None = None
    owns: bool = True
    state: str | None = None
    step: str | None = None
    history_length: int | None = None
    problem: str | None = None
    started_at: Instant | None = None
    reported_at: Instant | None = None
    seen_at: Instant | None = None
    kill_requested_at: Instant | None = None
    superseded_at: Instant | None = None
    ended_at: Instant | None = None

    @property
    def is_live(self) -> bool:
        """It has the incident and has not ended."""
        return self.owns and self.ended_at is None


class Escalation(Shape):
    """A row of `escalations`: who was told; "nobody could be told" is a state of its own."""

    id: str
    incident_id: str
    execution_id: str | None = None
    reason: str = ""
    told: Texts = ()
    told_nobody: bool = False
    acknowledged_at: Instant | None = None
    acknowledged_by: str | None = None
    acknowledged_by_name: str | None = None
    created_at: Instant


def current_state(record: ExecutionRecord, observed: Execution | None) -> str:
    """The state to show: what was seen at Kestra, unless the recorded end is newer.

    The flow reports its end before Kestra's stream shows it, and a desk that has lost Kestra keeps an old
    observation. Only what changed at Kestra after the recorded end, as by a restart, takes it back.
    """
    if observed is None:
        return record.state or "CREATED"
    if record.ended_at and record.state and not observed.is_terminal:
        changed_at = observed.history[-1].at if observed.history else None
        return observed.state if changed_at and changed_at > record.ended_at else record.state
    return observed.state


def is_older(a: Execution, b: Execution) -> bool:
    """Whether observation `a` was made before `b`: its state history is a prefix of b's.

    States alone cannot tell (a restart takes the same id from FAILED to RUNNING, which is newer).
    With equal histories the one in which fewer task transitions have happened is older.
    """
    if not _is_prefix(a.history, b.history):
        return False
    if len(a.history) < len(b.history):
        return True
    return _transitions(a) < _transitions(b)


def _is_prefix(a: Sequence[StateChange], b: Sequence[StateChange]) -> bool:
    return len(a) <= len(b) and all(
        x.state == y.state and abs(x.at - y.at) <= _SAME_MOMENT for x, y in zip(a, b, strict=False)
    )


def _transitions(execution: Execution) -> int:
    return sum(1 + len(run.history) for run in execution.task_runs)


def _creation(run: TaskRun) -> float:
    return run.history[0].at.timestamp() if run.history else 0.0
