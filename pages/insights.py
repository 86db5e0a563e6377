"""Is it getting better? Times, outcomes and counts of a period, each with the rows behind it."""

import streamlit as st

from dashboard.domain.clock import utc_now
from dashboard.store import insights, services
from dashboard.ui import session
from dashboard.ui.errors_view import render_empty
from dashboard.ui.insights_charts import render_pace, render_weeks
from dashboard.ui.insights_filters import render_insights_filters
from dashboard.ui.insights_head import render_before, sentence
from dashboard.ui.insights_rows import Rows
from dashboard.ui.insights_tables import (
    render_attention,
    render_definitions,
    render_model,
    render_outcomes,
    render_services,
    render_severities,
)
from dashboard.ui.insights_times import render_times
from dashboard.ui.known import read
from dashboard.ui.live import live
from dashboard.ui.page_header import headed, render_page_header

session.require()


# By timer, not at every news: who looks back over weeks needs no second, and each look reads them all.
@live(None, key="insights", fallback_seconds=60)
def looking_back() -> None:
    """Fields and figures in one scope, so that no press is lost."""
    client = session.require().client
    head = st.container()
    with headed("Insights", head):
        named = read("services", lambda: services.list_services(client))
        period, chosen = render_insights_filters([service.name for service in named.value], utc_now().date())
        known = read(f"insights_{period}_{chosen}", lambda: insights.get_insights(client, period, chosen))
        found = known.value
        with head:
            render_page_header("Insights", sentence(found, period), known, how="every minute")
        rows = Rows.of(found, chosen)
        if found.is_empty:
            render_empty("No incident in this period.", "Choose more days or other services.")
        else:
            render_times(found, rows)
            left, right = st.columns(2, gap="medium")
            with left:
                render_weeks(found.weeks, rows)
            with right:
                render_pace(found.weeks)
            with st.grid(min_column_width=240, gap="medium"):
                with st.container():
                    render_outcomes(found.approvals, rows)
                with st.container():
                    render_attention(found, rows)
                with st.container():
                    render_model(found, rows)
            render_services(found, rows)
            render_severities(found.severities, rows)
        render_before(period, chosen)
        render_definitions()


looking_back()
