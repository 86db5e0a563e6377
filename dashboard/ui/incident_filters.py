"""The filters of the incidents, each in the address: a list can be sent to somebody as it is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import streamlit as st

from dashboard.domain.incident import IncidentStatus
from dashboard.domain.listing import IncidentFilters
from dashboard.ui.chips import status_chip
from dashboard.ui.link_filters import moment, period_words, render_link_filters, words
from dashboard.ui.paging import to_first_page
from dashboard.ui.severity_pills import render_severity_pills

# What stands in the address is what stands on the screen.
_PERIODS = {"24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30)}


def render_incident_filters(services: Sequence[str], now: datetime) -> IncidentFilters:
    """Draw the fields and answer what they ask for. Every change leads back to the first page."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        search = st.text_input(
            "Search",
            key="q",
            bind="query-params",
            placeholder="Title, service or id",
            icon=":material/search:",
            on_change=to_first_page,
        )
        with st.popover("More filters", icon=":material/filter_list:"):
            service = st.multiselect(
                "Service",
                # An incident may name a service that is not in the catalogue, and so may a link to it.
                sorted({*services, *words("service")}),
                key="service",
                bind="query-params",
                on_change=to_first_page,
            )
            period = st.pills(
                "Reported in the last",
                list(_PERIODS),
                key="period",
                bind="query-params",
                on_change=to_first_page,
            )
            mine = st.toggle(
                "Mine: reported by me, given to me or taken by me",
                key="mine",
                bind="query-params",
                on_change=to_first_page,
            )
    with st.container(gap="xsmall"):
        severities = render_severity_pills(to_first_page, "collapsed")
        statuses = st.pills(
            "Status",
            list(IncidentStatus),
            selection_mode="multi",
            key="status",
            bind="query-params",
            format_func=lambda status: status_chip(status).word,
            label_visibility="collapsed",
            on_change=to_first_page,
        )
    since, until = moment("since"), moment("until")
    facts = words("fact")
    asked = (period_words("reported", since, until), *facts)
    render_link_filters(asked, ("since", "until", "fact"))
    return IncidentFilters(
        search=(search or "").strip(),
        statuses=tuple(statuses),
        severities=severities,
        services=tuple(service),
        since=since or (now - _PERIODS[period] if period else None),
        until=until,
        fact=facts[0] if facts else None,
        mine=bool(mine),
    )
