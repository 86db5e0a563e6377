"""What the desk depends on and cannot reach: Kestra, the worker, the model, each in a sentence of its own.

Supabase is not among them: what is said here was read from it. The page's head speaks of it.
"""

from __future__ import annotations

import streamlit as st

from dashboard.domain.overview import Overview
from dashboard.routes import SYSTEM
from dashboard.ui.links import render_link
from dashboard.ui.text import escape
from dashboard.ui.times import with_age


def render_outages(seen: Overview) -> None:
    """One notice per part that is away, since when, and what it means; nothing while all are there."""
    for alarm in seen.alarms:
        sentences = (
            alarm.sentence,
            alarm.means,
            alarm.to_do,
            f"Since {with_age(alarm.raised_at, seen.now)}.",
        )
        _notice(_ALARMS.get(alarm.kind, "Something is wrong with the installation"), sentences)
    if seen.is_worker_silent:
        since = (
            f"The last one was heard of {with_age(seen.worker_seen_at, seen.now)}."
            if seen.worker_seen_at
            else "None was heard of in the last day."
        )
        _notice(
            "No worker is alive",
            (
                since,
                "What is submitted and decided is saved and waits: nothing is started or delivered.",
            ),
        )
    if seen.model.is_silent and seen.model.problem_at:
        _notice(
            "The model gave no usable answer",
            (
                f"{(seen.model.problem or '').rstrip('.')}, {with_age(seen.model.problem_at, seen.now)}.",
                "Runs go on without it: they escalate to people, or ask with nothing to carry out.",
            ),
        )
    if seen.alarms or seen.is_worker_silent or seen.model.is_silent:
        render_link(SYSTEM, "What is checked, and how to mend it")


_ALARMS = {
    "kestra_unreachable": "Kestra does not answer",
    "kestra_other": "Another Kestra answers",
    "kestra_unknown_runs": "Runs of an unknown Kestra",
    "on_hold": "The workers are on hold",
}


def _notice(title: str, sentences: tuple[str, ...]) -> None:
    text = " ".join(escape(sentence) for sentence in sentences if sentence)
    st.warning(text, title=title, icon=":material/cloud_off:")
