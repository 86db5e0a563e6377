"""A hold: what this database does not know any more, and for administrators the way to release it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from dashboard.domain.execution import state_word
from dashboard.domain.hold import ForgottenRun, Released
from dashboard.errors import IncidentScribeError
from dashboard.ui.errors_view import render_error
from dashboard.ui.text import escape

_SHOWN = 50
_FIELD, _SAID = "hold_reason", "hold_said"


def render_hold(runs: Sequence[ForgottenRun], release: Callable[[str], Released], why_not: str = "") -> None:
    """What was found, newest last, and the release. `release` is called with the reason.

    `why_not` says why nothing can be released just now.
    """
    with st.expander(
        "What this database does not know any more", icon=":material/history_toggle_off:", expanded=True
    ):
        if not runs:
            st.markdown("No run of your organization is listed. A person may have asked for the hold.")
        for run in runs[-_SHOWN:]:
            st.markdown(f"- {escape(_sentence(run))}")
        if len(runs) > _SHOWN:
            st.caption(f"The newest {_SHOWN} of {len(runs)}.")
        st.markdown(
            "Releasing lets the workers start and deliver again. Starts that were made in the time that is "
            "lost are withdrawn, approvals that were acted on then are cancelled, and their incidents say so."
        )
        st.text_area("What you found", key=_FIELD, max_chars=800, height=80, placeholder="Needed; recorded.")
        st.button(
            "Release the workers",
            key="hold_release",
            icon=":material/play_arrow:",
            disabled=bool(why_not),
            help=escape(why_not) or None,
            on_click=_press,
            args=(release,),
        )
        said = st.session_state.get(_SAID)
        if isinstance(said, IncidentScribeError):
            render_error(said)


def render_released() -> None:
    """What the release of this session came to; nothing if there was none."""
    said = st.session_state.get(_SAID)
    if isinstance(said, Released):
        st.success(
            f"The workers act again. Starts withdrawn: {said.withdrawn_starts}. "
            f"Approvals cancelled: {said.cancelled_approvals}.",
            icon=":material/check_circle:",
        )


def _press(release: Callable[[str], Released]) -> None:
    try:
        st.session_state[_SAID] = release(str(st.session_state.get(_FIELD, "")).strip())
    except IncidentScribeError as error:
        st.session_state[_SAID] = error


def _sentence(run: ForgottenRun) -> str:
    began = f"{run.started_at:%Y-%m-%d %H:%M} UTC" if run.started_at else "at an unknown time"
    what = ", ".join(filter(None, (run.external_id, run.severity, run.service, run.title)))
    done = "; ".join(
        f"{each.action_key} {each.outcome}{', verified' if each.verified else ''}" for each in run.actions
    )
    known = "The run is known, what it carried out is not" if run.known else "The whole run is unknown"
    return (
        f"{what or 'An incident without a name'}: execution {run.kestra_execution_id}, began {began}, "
        f"{state_word(run.state).label.lower()} when it was found. {known}."
        + (f" It says to have carried out: {done}." if done else "")
    )
