"""What surrounds every page: navigation, the one primary button, who is signed in."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from dashboard.errors import IncidentScribeError
from dashboard.routes import APPROVALS, MENU, SUBMIT, Route
from dashboard.store.people import Role
from dashboard.ui.account import render_account
from dashboard.ui.links import go_to
from dashboard.ui.live import live, organization_topic, revive
from dashboard.ui.session import CurrentUser
from dashboard.ui.text import escape


def render_frame(user: CurrentUser, here: str, count_waiting: Callable[[], int]) -> None:
    """The sidebar. `count_waiting` is asked at every change how many approvals the person may decide."""
    with st.sidebar:
        st.markdown("**IncidentScribe**")
        for route in MENU:
            if route is APPROVALS:
                live(organization_topic(), key="frame_badge")(_render_approvals)(count_waiting)
            else:
                _render_menu_line(route)
        if user.may(Role.RESPONDER) and st.button(
            SUBMIT.title, icon=SUBMIT.icon, type="primary", width="stretch", key="frame_submit"
        ):
            go_to(SUBMIT)
        st.space("small")
        st.caption(escape(user.person.organization_name or "Your organization"))
        st.markdown(f"{escape(user.name)}  \n:small[{escape(user.person.role)}, {escape(user.person.email)}]")
        render_account(user.logout_token, here)
        if user.is_demo:
            st.caption(
                "Demo: the service acted on is simulated, and the model too unless a Gemini key is set. "
                "Flow engine and database are real."
            )
        revive()


def _render_approvals(count_waiting: Callable[[], int]) -> None:
    try:
        waiting = count_waiting()
    except IncidentScribeError:
        # The pages themselves say what cannot be reached; here the number is just not known.
        _render_menu_line(APPROVALS, " :gray-badge[?]")
        return
    _render_menu_line(APPROVALS, f" :orange-badge[{waiting} for you]" if waiting else "")


def _render_menu_line(route: Route, badge: str = "") -> None:
    st.page_link(route.file, label=route.title + badge, icon=route.icon, help=route.help)
