from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from dashboard.domain.execution import (
    Execution,
    StateChange,
    TaskRun,
    Tone,
    is_older,
    is_terminal,
    state_word,
)
from dashboard.domain.severity import Severity
from dashboard.domain.steps import (
    BRANCH_TASK,
    PAUSE_TASK,
    StepStatus,
    branch_taken,
    step_of,
    step_of_ending,
    step_title,
    timeline,
)
from tests.support.flow_file import tasks

START = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)


def history(*states: str, offset_ms: float = 0.0) -> tuple[StateChange, ...]:
    return tuple(
        StateChange(state=state, at=START + timedelta(seconds=n, milliseconds=offset_ms))
        for n, state in enumerate(states)
    )


def run(task_id: str, *states: str, number: int = 1) -> TaskRun:
    return TaskRun(
        id=f"{task_id}-{number}",
        task_id=task_id,
        state=states[-1],
        history=history(*states, offset_ms=number * 10_000),
    )


def execution(*states: str, runs: Sequence[TaskRun] = (), offset_ms: float = 0.0) -> Execution:
    return Execution(
        id="e",
        namespace="incident.response",
        flow_id="incident-handler",
        state=states[-1],
        history=history(*states, offset_ms=offset_ms),
        task_runs=tuple(runs),
    )


def test_a_shorter_history_is_older() -> None:
    before, after = execution("CREATED", "RUNNING"), execution("CREATED", "RUNNING", "PAUSED")
    assert is_older(before, after)
    assert not is_older(after, before)


def test_a_restart_is_newer_than_the_failure() -> None:
    failed = execution("CREATED", "RUNNING", "FAILED")
    restarted = execution("CREATED", "RUNNING", "FAILED", "RESTARTED", "RUNNING")
    assert is_older(failed, restarted)
    assert not is_older(restarted, failed)


def test_with_equal_states_fewer_task_transitions_are_older() -> None:
    before = execution("CREATED", "RUNNING", runs=[run("a", "CREATED")])
    after = execution("CREATED", "RUNNING", runs=[run("a", "CREATED", "RUNNING")])
    assert is_older(before, after)
    assert not is_older(after, before)


def test_an_observation_is_not_older_than_itself() -> None:
    seen = execution("CREATED", "RUNNING", runs=[run("a", "CREATED")])
    assert not is_older(seen, seen)


def test_digits_lost_on_the_way_through_the_database_do_not_matter() -> None:
    assert is_older(execution("CREATED", offset_ms=0.4), execution("CREATED", "RUNNING"))


def test_another_history_is_neither_older_nor_newer() -> None:
    a, b = execution("CREATED", "RUNNING"), execution("CREATED", "KILLING", "KILLED")
    assert not is_older(a, b)
    assert not is_older(b, a)


@pytest.mark.parametrize(
    "state", ["SUCCESS", "WARNING", "FAILED", "KILLED", "CANCELLED", "RETRIED", "SKIPPED"]
)
def test_terminal_states(state: str) -> None:
    assert is_terminal(state)


@pytest.mark.parametrize("state", ["CREATED", "RUNNING", "PAUSED", "KILLING", "RESTARTED", "FUTURE_STATE"])
def test_states_that_go_on(state: str) -> None:
    assert not is_terminal(state)


def test_a_state_nobody_knows_is_shown_by_its_name_and_never_as_success() -> None:
    word = state_word("TELEPORTED")
    assert word.label == "TELEPORTED"
    assert word.tone is Tone.ATTENTION


def test_only_success_looks_good() -> None:
    good = [
        state
        for state in ("SUCCESS", "WARNING", "SKIPPED", "RETRIED", "X")
        if state_word(state).tone is Tone.GOOD
    ]
    assert good == ["SUCCESS"]


def test_a_pause_has_ended_only_after_it_was_reached() -> None:
    def with_pause(*states: str) -> Execution:
        return execution("CREATED", "RUNNING", runs=[run(PAUSE_TASK, *states)])

    assert not execution("CREATED", "RUNNING").pause_ended(PAUSE_TASK)
    assert not with_pause("CREATED", "RUNNING").pause_ended(PAUSE_TASK)
    assert not with_pause("CREATED", "RUNNING", "PAUSED").pause_ended(PAUSE_TASK)
    assert with_pause("CREATED", "RUNNING", "PAUSED", "SUCCESS").pause_ended(PAUSE_TASK)


def child(parent: TaskRun, task_id: str, *states: str, number: int) -> TaskRun:
    return run(task_id, *states, number=number).model_copy(update={"parent_id": parent.id})


def test_it_is_at_the_innermost_unfinished_task() -> None:
    handle = run("handle", "CREATED", "RUNNING", number=1)
    seen = execution(
        "CREATED",
        "RUNNING",
        runs=[
            handle,
            child(handle, "aggregate_data_sources", "CREATED", "SUCCESS", number=2),
            child(handle, "ai_agent_analyze", "CREATED", "RUNNING", number=3),
        ],
    )
    assert seen.current_task_id == "ai_agent_analyze"


def test_between_two_tasks_it_is_at_the_last_one_and_not_at_what_holds_them() -> None:
    handle = run("handle", "CREATED", "RUNNING", number=1)
    done = child(handle, "aggregate_data_sources", "CREATED", "SUCCESS", number=2)
    assert execution("CREATED", "RUNNING", runs=[handle, done]).current_task_id == "aggregate_data_sources"


def test_the_timeline_marks_the_branch_taken_and_the_others() -> None:
    seen = execution(
        "CREATED",
        "RUNNING",
        "PAUSED",
        runs=[
            run("open_run", "CREATED", "RUNNING", "SUCCESS", number=1),
            run("request_approval", "CREATED", "RUNNING", "SUCCESS", number=2),
            run(PAUSE_TASK, "CREATED", "RUNNING", "PAUSED", number=3),
        ],
    )
    assert branch_taken(seen) is Severity.MEDIUM
    status = {step.task_id: step.status for step in timeline(seen)}
    assert status["open_run"] is StepStatus.ENDED
    assert status[PAUSE_TASK] is StepStatus.BEGUN
    assert status["auto_remediate_low"] is StepStatus.NOT_TAKEN
    assert status["escalate_critical"] is StepStatus.NOT_TAKEN
    assert status["carry_out_approved"] is StepStatus.TO_COME
    assert status["save_to_supabase"] is StepStatus.TO_COME


def test_what_a_run_did_not_reach_is_not_to_come() -> None:
    seen = execution("CREATED", "RUNNING", "KILLED", runs=[run("open_run", "CREATED", "RUNNING", "KILLED")])
    status = {step.task_id: step.status for step in timeline(seen)}
    assert status["ai_agent_analyze"] is StepStatus.NOT_REACHED
    assert branch_taken(seen) is None


def test_a_step_that_somebody_added_stands_behind_what_had_begun_before_it() -> None:
    handle = run("handle", "CREATED", "RUNNING", number=1)
    holds = child(handle, "our_group", "CREATED", "RUNNING", number=4)
    seen = execution(
        "CREATED",
        "RUNNING",
        runs=[
            handle,
            run("open_run", "CREATED", "RUNNING", "SUCCESS", number=2),
            run(BRANCH_TASK, "CREATED", "RUNNING", "SUCCESS", number=3),
            holds,
            child(holds, "our_step", "CREATED", "RUNNING", "FAILED", number=5),
        ],
    )
    steps = timeline(seen)
    place = [step.task_id for step in steps].index("our_step")
    assert steps[place - 1].task_id == BRANCH_TASK
    assert (steps[place].title, steps[place].state) == ("our_step", "FAILED")
    assert not {"handle", "our_group"} & {step.task_id for step in steps}
    assert step_of_ending(seen) == "our_step"


def test_where_the_branch_was_rewritten_no_other_is_still_to_come() -> None:
    seen = execution(
        "CREATED",
        "RUNNING",
        runs=[run(BRANCH_TASK, "CREATED", "RUNNING", "SUCCESS"), run("handle_low", "RUNNING")],
    )
    status = {step.task_id: step.status for step in timeline(seen)}
    assert status["escalate_high"] is StepStatus.NOT_TAKEN
    assert status["handle_low"] is StepStatus.BEGUN


def test_a_task_that_is_no_step_keeps_its_id() -> None:
    assert step_title("custom_task") == "custom_task"
    assert (
        step_title("ai_agent_documentation") == step_title("record_documentation") == "Write the postmortem"
    )


def test_every_task_of_the_flow_belongs_to_a_step() -> None:
    planned = {step.task_id for step in timeline(execution("CREATED"))}
    # `handle` holds everything, `not_this_run` ends duplicates, `finish_run` comes after the end.
    others = {"handle", "not_this_run", "finish_run"}
    assert {step_of(task["id"]) for task, _ in tasks()} - others == planned
