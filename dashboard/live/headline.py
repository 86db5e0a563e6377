"""An execution in half a line: the word for its state, and the step it is at."""

from __future__ import annotations

from dashboard.domain.execution import Execution, state_word
from dashboard.domain.steps import step_of, step_title


def headline(execution: Execution) -> str:
    """`Running: Gather evidence`; an execution that has ended is its state alone."""
    word = state_word(execution.state).label
    task = execution.current_task_id
    title = step_title(task)
    # A task that only holds others has an id and no name that would say something to a reader.
    is_named = title not in ("", step_of(task))
    return f"{word}: {title}" if is_named and not execution.is_terminal else word
