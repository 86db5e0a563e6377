"""The flow as a person reads it: its steps, the branch taken, and how far it has come."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from dashboard.domain.execution import Execution, TaskRun, state_word
from dashboard.domain.severity import Severity
from dashboard.domain.shape import Instant, Shape

PAUSE_TASK = "require_approval_medium"
BRANCH_TASK = "ai_agent_decision_branch"


class _Planned(NamedTuple):
    task_id: str
    title: str
    branch: Severity | None = None


# Ids are those of the guide and of kestra/flows/incident-handler.yml.
PLAN = (
    _Planned("open_run", "Claim the incident"),
    _Planned("aggregate_data_sources", "Gather evidence"),
    _Planned("ai_agent_analyze", "Analyse the cause"),
    _Planned(BRANCH_TASK, "Choose the branch by severity"),
    _Planned("auto_remediate_low", "Act by itself", Severity.LOW),
    _Planned("escalate_low", "Escalate to people instead", Severity.LOW),
    _Planned("request_approval", "Write the proposal", Severity.MEDIUM),
    _Planned(PAUSE_TASK, "Wait for a decision", Severity.MEDIUM),
    _Planned("carry_out_approved", "Carry out what was approved", Severity.MEDIUM),
    _Planned("escalate_high", "Escalate to people", Severity.HIGH),
    _Planned("escalate_critical", "Escalate to people at once", Severity.CRITICAL),
    _Planned("escalate_unknown", "Escalate to people", Severity.UNKNOWN),
    _Planned("ai_agent_remediation", "Write the remediation plan"),
    _Planned("ai_agent_documentation", "Write the postmortem"),
    _Planned("save_to_supabase", "Save the results"),
)

_TITLES = {planned.task_id: planned.title for planned in PLAN} | {"finish_run": "Report the end"}

# Tasks around a step that make it safe: retries, reports to Supabase. To a reader they are the step.
_PART_OF = {
    "claim": "open_run",
    "analyze": "ai_agent_analyze",
    "keep_analysis": "ai_agent_analyze",
    "record_analysis": "ai_agent_analyze",
    "hand_over_low": "escalate_low",
    "remediation": "ai_agent_remediation",
    "keep_remediation": "ai_agent_remediation",
    "record_remediation": "ai_agent_remediation",
    "documentation": "ai_agent_documentation",
    "keep_documentation": "ai_agent_documentation",
    "record_documentation": "ai_agent_documentation",
    "save": "save_to_supabase",
    "incomplete": "save_to_supabase",
}

# Tasks that hold all others, or that speak about the run as a whole.
_NO_STEPS = frozenset({"handle", "not_this_run", "finish_run"})


def step_of(task_id: str | None) -> str | None:
    """The step a task belongs to; a task the desk does not know is its own."""
    return _PART_OF.get(task_id or "", task_id)


def step_title(task_id: str | None) -> str:
    """The step of a task in words; one the desk does not know keeps its id."""
    step = step_of(task_id) or ""
    return _TITLES.get(step, step)


class StepStatus(StrEnum):
    """Where a step stands; `state` has Kestra's own word."""

    TO_COME = "to_come"
    NOT_TAKEN = "not_taken"  # it lies in a branch that was not chosen
    NOT_REACHED = "not_reached"  # the run ended before it
    BEGUN = "begun"
    ENDED = "ended"


class Step(Shape):
    """One line of the timeline; times and state are None while it has not begun."""

    task_id: str
    title: str
    status: StepStatus
    branch: Severity | None = None
    state: str | None = None
    started_at: Instant | None = None
    ended_at: Instant | None = None
    attempts: int = 0

    @property
    def word(self) -> str:
        """The state for people."""
        if self.state is not None:
            return state_word(self.state).label
        return {
            StepStatus.TO_COME: "To come",
            StepStatus.NOT_TAKEN: "Not taken",
            StepStatus.NOT_REACHED: "Not reached",
        }.get(self.status, "")


def branch_taken(execution: Execution) -> Severity | None:
    """The branch whose first task exists, or None while the flow has not come so far."""
    begun = {run.task_id for run in execution.task_runs}
    return next((p.branch for p in PLAN if p.branch is not None and p.task_id in begun), None)


def timeline(execution: Execution) -> tuple[Step, ...]:
    """All planned steps in reading order, with what this execution has made of them.

    Steps that somebody added to the flow stand behind the planned step that had begun before them.
    """
    taken = branch_taken(execution)
    steps = [_step(planned, execution, taken) for planned in PLAN]
    for added in sorted(
        _added(execution), key=lambda step: step.started_at.timestamp() if step.started_at else 0
    ):
        before = [
            place
            for place, step in enumerate(steps)
            if step.started_at is not None
            and added.started_at is not None
            and step.started_at <= added.started_at
        ]
        steps.insert(before[-1] + 1 if before else len(steps), added)
    return tuple(steps)


def _added(execution: Execution) -> list[Step]:
    """Begun steps that are not ours; of tasks that hold others, only what they hold."""
    holders = {run.parent_id for run in execution.task_runs}
    ours = {planned.task_id for planned in PLAN} | _PART_OF.keys() | _NO_STEPS
    names = dict.fromkeys(
        r.task_id for r in execution.task_runs if r.id not in holders and r.task_id not in ours
    )
    runs = [(name, execution.task_run(name)) for name in names]
    return [_begun(_Planned(name, name), run, execution) for name, run in runs if run is not None]


def _step(planned: _Planned, execution: Execution, taken: Severity | None) -> Step:
    run = execution.task_run(planned.task_id)
    if run is not None:
        return _begun(planned, run, execution)
    branch = execution.task_run(BRANCH_TASK)
    # A branch that somebody rewrote has none of our steps, and the others were still not taken.
    is_chosen = taken is not None or (branch is not None and branch.ended_at is not None)
    if planned.branch is not None and is_chosen and planned.branch is not taken:
        status = StepStatus.NOT_TAKEN
    elif execution.is_terminal:
        status = StepStatus.NOT_REACHED
    else:
        status = StepStatus.TO_COME
    return Step(task_id=planned.task_id, title=planned.title, status=status, branch=planned.branch)


def _begun(planned: _Planned, run: TaskRun, execution: Execution) -> Step:
    runs = [other for other in execution.task_runs if other.task_id == planned.task_id]
    return Step(
        task_id=planned.task_id,
        title=planned.title,
        branch=planned.branch,
        status=StepStatus.ENDED if run.ended_at is not None else StepStatus.BEGUN,
        state=run.state,
        started_at=run.started_at,
        ended_at=run.ended_at,
        attempts=sum(max(1, other.attempts) for other in runs),
    )


def step_of_ending(execution: Execution) -> str | None:
    """The step at which an execution that did not succeed was: the last planned one that has gone wrong.

    None where every step that had begun went well; tasks that only report the end do not count.
    """
    wrong = [
        step.task_id
        for step in timeline(execution)
        if step.state not in (None, "SUCCESS", "SKIPPED") and step.task_id != BRANCH_TASK
    ]
    return wrong[-1] if wrong else None
