"""An execution in half a line: the word for its state, and the step it is at."""

from __future__ import annotations

from dashboard.domain.execution import Execution, state_word
from dashboard.domain.steps import step_of, step_title


def headline(execution: Execution) -> str:
    """`Running: Gather evidence`; where it has ended or waits for a decision the state says it all."""
    word = state_word(execution.state).label
    task = execution.current_task_id
    title = step_title(task)
    # A task that only holds others has an id and no name that would say something to a reader.
    is_named = title not in ("", step_of(task))
    is_at_work = not execution.is_terminal and not execution.is_paused
    return f"{word}: {title}" if is_named and is_at_work else word
