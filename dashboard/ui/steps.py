"""The flow's steps as a vertical timeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby

import streamlit as st

from dashboard.domain.clock import duration_words
from dashboard.domain.execution import Tone, state_word
from dashboard.domain.severity import Severity
from dashboard.domain.steps import BRANCH_TASK, Step, StepStatus
from dashboard.ui.chips import severity_chip, state_chip
from dashboard.ui.text import escape
from dashboard.ui.times import absolute, unbroken

_IDLE_ICONS = {
    StepStatus.TO_COME: ":material/radio_button_unchecked:",
    StepStatus.NOT_TAKEN: ":material/alt_route:",
    StepStatus.NOT_REACHED: ":material/block:",
}
_ICONS = {
    Tone.WAITING: ":material/schedule:",
    Tone.WORKING: ":material/sync:",
    Tone.GOOD: ":material/check_circle:",
    Tone.ATTENTION: ":material/hourglass_top:",
    Tone.BAD: ":material/cancel:",
    Tone.QUIET: ":material/remove:",
}


def render_steps(steps: Sequence[Step], lines: Mapping[str, str], now: datetime) -> None:
    """One line a step with state, duration and what it found (`lines`, by task); details open on demand."""
    taken = next((step.branch for step in steps if step.branch and step.state), None)
    for branch, group in groupby(steps, key=lambda step: step.branch if step.branch is not taken else None):
        if branch:
            _render_other_branch(branch, tuple(group))
        else:
            _render_each(tuple(group), lines, taken, now)


def _render_other_branch(branch: Severity, steps: Sequence[Step]) -> None:
    """A branch that was not chosen, or not yet: one line is enough."""
    first = steps[0]
    titles = ", ".join(step.title[:1].lower() + step.title[1:] for step in steps)
    mark = (
        ":gray-badge[not taken]" if first.status is StepStatus.NOT_TAKEN else f":small[{first.word.lower()}]"
    )
    label = f":gray[{escape(f'{branch} branch: {titles}')}] {mark}"
    with st.expander(label, key=f"branch_{branch}", icon=_IDLE_ICONS[first.status], type="step"):
        st.caption(_why_idle(first))


def _render_each(
    steps: Sequence[Step], lines: Mapping[str, str], taken: Severity | None, now: datetime
) -> None:
    for step in steps:
        line = lines.get(step.task_id, "") if step.state else ""
        label, icon = _label(step, line, now), _icon(step)
        if step.task_id == BRANCH_TASK and taken:
            # Kestra keeps the choice running until its branch has ended; a reader asks which one it was.
            label = f"**{escape(step.title)}** {severity_chip(taken).markdown()}"
            icon = ":material/alt_route:"
        with st.expander(label, key=f"step_{step.task_id}", icon=icon, type="step"):
            _render_details(step)


def _icon(step: Step) -> str:
    if step.state is None:
        return _IDLE_ICONS[step.status]
    return _ICONS[state_word(step.state).tone]


def _label(step: Step, line: str, now: datetime) -> str:
    title = escape(step.title)
    if step.state is None:
        title = escape(f"{step.branch} branch: {step.title}") if step.branch else title
        mark = (
            ":gray-badge[not taken]"
            if step.status is StepStatus.NOT_TAKEN
            else f":small[{step.word.lower()}]"
        )
        return f":gray[{title}] {mark}"
    # The branch that was taken is marked at every step of it.
    parts = [severity_chip(step.branch).markdown()] if step.branch else []
    parts += [f"**{title}**", state_chip(step.state).markdown()]
    if step.started_at:
        seconds = ((step.ended_at or now) - step.started_at).total_seconds()
        parts.append(f":small[{unbroken(duration_words(seconds))}]")
    if step.attempts > 1:
        parts.append(f":orange-badge[attempt\u00a0{step.attempts}]")
    if line:
        parts.append(f":small[:gray[· {escape(line)}]]")
    return " ".join(parts)


def _render_details(step: Step) -> None:
    if step.state is None:
        st.caption(_why_idle(step))
        return
    word = state_word(step.state)
    lines = [f"{escape(word.meaning)} Kestra calls it {escape(step.state)}, the task `{step.task_id}`."]
    if step.started_at:
        lines.append(f"Began {absolute(step.started_at)}.")
    if step.ended_at:
        lines.append(f"Ended {absolute(step.ended_at)}.")
    if step.attempts > 1:
        lines.append(f"It took {step.attempts} attempts so far.")
    st.caption("  \n".join(lines))


def _why_idle(step: Step) -> str:
    if step.status is StepStatus.NOT_TAKEN:
        level = step.branch or Severity.UNKNOWN
        return f"Only incidents of severity {level} go this way."
    if step.status is StepStatus.NOT_REACHED:
        return "The run ended before it came here."
    return "Comes later."
