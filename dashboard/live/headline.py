"""An execution in half a line: the word for its state, and the step it is at."""

from __future__ import annotations

from dashboard.domain.execution import Execution, state_word
from dashboard.domain.steps import step_title


def headline(execution: Execution) -> str:
    """`Running: Gather evidence`; an execution that has ended is its state alone."""
    word = state_word(execution.state).label
    step = step_title(execution.current_task_id)
    return word if execution.is_terminal or not step else f"{word}: {step}"
