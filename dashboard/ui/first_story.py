"""The guided first story of a demo: three steps that point at the real buttons and tick themselves."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from dashboard.domain.first_story import FirstStory
from dashboard.errors import IncidentScribeError
from dashboard.routes import APPROVAL, APPROVALS, INCIDENT, POSTMORTEM, SUBMIT
from dashboard.store.people import Role
from dashboard.ui.account import render_switch_link
from dashboard.ui.errors_view import render_error
from dashboard.ui.known import read
from dashboard.ui.links import render_link
from dashboard.ui.session import CurrentUser
from dashboard.ui.text import escape

_PUT_AWAY = "first_story_put_away"
_PROBLEM = "first_story_problem"


def tell_first_story(
    user: CurrentUser, find: Callable[[], FirstStory | None], dismiss: Callable[[], None]
) -> None:
    """Draw the story in a demo, for whoever has not put it away; `find` answers None for those who have."""
    if not user.is_demo or st.session_state.get(_PUT_AWAY):
        return
    story = read("first_story", find).value
    if story is None:
        st.session_state[_PUT_AWAY] = True
        return
    _render_story(user, story, dismiss)


def _render_story(user: CurrentUser, story: FirstStory, dismiss: Callable[[], None]) -> None:
    with st.container(border=True, gap="small", key="first_story"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.subheader("Your first five minutes", anchor=False, width="content")
            st.markdown(
                f":{'green' if story.done else 'gray'}-badge[{story.done} of 3 done]", width="stretch"
            )
            st.button(
                "Dismiss",
                key="first_story_dismiss",
                icon=":material/close:",
                type="tertiary",
                on_click=_dismiss,
                args=(dismiss,),
            )
        steps = st.grid(3, min_column_width=240, gap="small")
        with steps.container(border=True, gap="xsmall"):
            _render_submitting(user, story)
        with steps.container(border=True, gap="xsmall"):
            _render_asking(story)
        with steps.container(border=True, gap="xsmall"):
            _render_deciding(user, story)
        if story.is_decided:
            _render_end(story)
        st.caption(
            "Real: the flow engine, the database, every rule and record. "
            "Simulated: the service that is acted on, and the model unless a Gemini key is set."
        )
        if problem := st.session_state.pop(_PROBLEM, None):
            render_error(problem)


def _render_step(number: int, title: str, *, is_done: bool, is_next: bool) -> None:
    if is_done:
        chip = f":green-badge[:material/check_circle: {number} done]"
    elif is_next:
        chip = f":blue-badge[:material/arrow_forward: {number} next]"
    else:
        chip = f":gray-badge[:material/radio_button_unchecked: {number}]"
    st.markdown(f"{chip} **{title}**")


def _render_submitting(user: CurrentUser, story: FirstStory) -> None:
    is_next = not story.is_submitted or story.ended_undecided
    _render_step(1, "Submit the MEDIUM sample", is_done=not is_next, is_next=is_next)
    if not is_next:
        st.caption(f"Submitted as {escape(story.external_id or '')}.")
        return
    if story.ended_undecided:
        st.caption("The last one ended before anybody decided. Submit another one.")
    if user.may(Role.RESPONDER):
        st.caption("On the page Submit incident, tab Samples: press “Submit MEDIUM sample”.")
        render_link(SUBMIT, "Go to the samples", tab="samples")
    else:
        st.caption("Your role only reads. A responder submits.")
        render_switch_link("Switch to a responder", SUBMIT.link(tab="samples"), key="first_story_responder")


def _render_asking(story: FirstStory) -> None:
    is_next = story.is_submitted and not story.has_asked
    _render_step(2, "Watch it stop and ask", is_done=story.has_asked, is_next=is_next)
    if story.has_asked:
        st.caption("It analysed the incident, proposed an action, and stopped before carrying it out.")
    else:
        st.caption("The flow collects, analyses, proposes, and stops: MEDIUM never acts without a person.")
    if story.incident_id:
        render_link(INCIDENT, "Look at the incident", id=story.incident_id)


def _render_deciding(user: CurrentUser, story: FirstStory) -> None:
    is_waiting = story.has_asked and not story.is_decided and not story.ended_undecided
    _render_step(3, "Switch to the approver and decide", is_done=story.is_decided, is_next=is_waiting)
    if story.is_decided:
        st.caption(
            f"{escape(story.decided_by_name or '')} {escape(str(story.approval_status))} the proposal."
        )
    elif not is_waiting:
        st.caption(
            "Whoever submits never decides: the approver reads the exact request, then says yes or no."
        )
    elif story.may_decide:
        st.caption("You may decide: read the exact request, then approve or reject it.")
        render_link(APPROVAL, "Read and decide", id=story.approval_id or "")
    else:
        st.caption(
            f"{escape(user.name)} may not decide on it. These may: {escape(', '.join(story.deciders))}."
        )
        back = APPROVAL.link(id=story.approval_id) if story.approval_id else APPROVALS.link()
        render_switch_link("Switch account", back, key="first_story_approver")


def _render_end(story: FirstStory) -> None:
    """What came of it, once all three are done."""
    if story.is_written:
        st.markdown("That was the story. What happened is written down, each sentence with its evidence:")
        render_link(POSTMORTEM, "Read the postmortem", id=story.incident_id or "")
    else:
        st.markdown("That was the story. The postmortem is being written now.")


def _dismiss(dismiss: Callable[[], None]) -> None:
    try:
        dismiss()
        st.session_state[_PUT_AWAY] = True
    except IncidentScribeError as error:
        st.session_state[_PROBLEM] = error
