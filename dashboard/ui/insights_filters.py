"""Of which days and which services Insights speaks; both in the address."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import streamlit as st

from dashboard.domain.period import Period, Span, between, ending


def render_insights_filters(services: Sequence[str], today: date) -> tuple[Period, tuple[str, ...]]:
    """Draw the fields; answers the period and the services, none standing for all."""
    asked = st.query_params.get_all("service")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        span = st.segmented_control(
            "Period",
            list(Span),
            default=Span.MONTH,
            required=True,
            key="days",
            bind="query-params",
            width="content",
        )
        if span is Span.CUSTOM:
            month = ending(today, Span.MONTH.days)
            first = st.date_input("First day (UTC)", month.first, key="from", bind="query-params", width=150)
            last = st.date_input("Last day (UTC)", month.last, key="to", bind="query-params", width=150)
            period = between(first, last, today)
        else:
            period = ending(today, span.days)
        chosen = st.multiselect(
            "Services",
            # Incidents may name a service that is not in the catalogue, and a link may name it too.
            sorted({*services, *asked}),
            key="service",
            bind="query-params",
            placeholder="All services",
            width=320,
        )
    return period, tuple(chosen)
