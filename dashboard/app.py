"""Streamlit's entry script: sign-in gate, frame, and the page that was asked for."""

from contextlib import suppress
from pathlib import Path

import streamlit as st

from dashboard import routes
from dashboard.errors import IncidentScribeError
from dashboard.store import approvals
from dashboard.ui import session
from dashboard.ui.frame import render_frame
from dashboard.ui.live import revive
from dashboard.ui.recovery import render_unread

# A file of our own: icons by name would be fetched from elsewhere.
icon = Path(__file__).parent / "ui" / "icon.png"
st.set_page_config(page_title="IncidentScribe", page_icon=str(icon), layout="wide")

pages = [
    st.Page(
        route.file,
        title=route.title,
        icon=route.icon,
        url_path=None if route is routes.OVERVIEW else route.url_path,
        default=route is routes.OVERVIEW,
        help=route.help,
        visibility="visible" if route in routes.MENU else "hidden",
    )
    for route in routes.ROUTES
]
# The menu is drawn by the frame, where a number can stand beside a line.
page = st.navigation(pages, position="hidden")


def count_waiting() -> int:
    """How many approvals the signed-in person may decide now."""
    person = session.require()
    return approvals.count_waiting(person.client)


def here() -> str:
    """The page's own address, for the way back after another sign-in."""
    query = "&".join(f"{key}={value}" for key, value in st.query_params.items())
    return routes.safe_next(f"/{page.url_path}?{query}")


try:
    user = session.gate()
except IncidentScribeError as error:
    render_unread(error, session.current_user)
    revive()
else:
    if user is not None:
        render_frame(user, here(), count_waiting)
        with suppress(session.PageEnd):
            page.run()
