"""Does anything need me? What waits for the reader, what runs, how the last day compares."""

import streamlit as st

from dashboard.routes import INCIDENTS
from dashboard.store import action_items, hints, overview
from dashboard.store.people import Role
from dashboard.ui import session
from dashboard.ui.errors_view import render_empty, shown
from dashboard.ui.first_story import tell_first_story
from dashboard.ui.known import read
from dashboard.ui.links import render_link
from dashboard.ui.live import live, organization_topic
from dashboard.ui.needs_you import mine, render_last_decision, render_needs_you, render_others
from dashboard.ui.outages import render_outages
from dashboard.ui.page_header import headed, render_page_header
from dashboard.ui.running import render_running
from dashboard.ui.trend import render_trend

TREND_SECONDS = 60

session.require()


def tell_story(user: session.CurrentUser) -> None:
    """Of a demo; below what needs the reader, above everything else."""
    tell_first_story(
        user,
        lambda: hints.find_first_story(user.client),
        lambda: hints.dismiss_first_story(session.acting().writer),
    )


@live(organization_topic(), key="overview")
def moving() -> None:
    """What needs the reader and what runs, of one moment."""
    user = session.require()
    watches = not user.may(Role.RESPONDER)  # may take nothing, so sees what waits for whomever
    with headed("Overview", st.container()):
        known = read(
            "overview",
            lambda: (overview.get_overview(user.client), action_items.list_overdue(user.client)),
        )
        seen, overdue = known.value
        render_page_header("Overview", seen.standing.sentence, known)
        render_outages(seen)
        needs = mine(seen, overdue, user.person.user_id, anybody=watches)
        if not any(needs):
            tell_story(user)
        st.subheader("Needs somebody" if watches else "Needs you", anchor=False)
        if any(needs):
            render_needs_you(needs, seen.now)
        else:
            render_last_decision(seen)
        render_others(seen, needs)
        if any(needs):
            tell_story(user)
        st.subheader("Running now", anchor=False)
        if seen.running or seen.starting:
            render_running(seen.starting, seen.running, seen.now)
        else:
            render_empty("Nothing is running.")


@live(key="last_day", fallback_seconds=TREND_SECONDS)
def last_day() -> None:
    """The last 24 hours against the week before."""
    st.subheader("Last 24 hours", anchor=False)
    with shown():
        render_trend(read("trend", lambda: overview.get_trend(session.require().client)).value)
        render_link(INCIDENTS, "All incidents")


moving()
last_day()
