"""The filters of the incidents, each in the address: a list can be sent to somebody as it is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import streamlit as st

from dashboard.domain.clock import parse_instant
from dashboard.domain.incident import IncidentStatus
from dashboard.domain.listing import IncidentFilters
from dashboard.domain.severity import Severity
from dashboard.ui.chips import status_chip
from dashboard.ui.text import escape
from dashboard.ui.times import absolute

PAGE = "page"
_PERIODS = {"24h": ("last 24 hours", timedelta(hours=24)), "7d": ("last 7 days", timedelta(days=7))}
_PERIODS["30d"] = ("last 30 days", timedelta(days=30))
_GRAVEST_FIRST = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW, Severity.UNKNOWN)
# Set by links from elsewhere; there is no field for them here.
_FROM_LINKS = ("since", "until", "fact")


def render_incident_filters(services: Sequence[str], now: datetime) -> IncidentFilters:
    """Draw the fields and answer what they ask for. Every change leads back to the first page."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        search = st.text_input(
            "Search",
            key="q",
            bind="query-params",
            placeholder="Title, service or id",
            icon=":material/search:",
            on_change=_to_first_page,
        )
        with st.popover("More filters", icon=":material/filter_list:"):
            service = st.multiselect(
                "Service", services, key="service", bind="query-params", on_change=_to_first_page
            )
            period = st.pills(
                "Reported",
                list(_PERIODS),
                key="period",
                bind="query-params",
                format_func=lambda name: _PERIODS[name][0],
                on_change=_to_first_page,
            )
            mine = st.toggle(
                "Mine: reported by me, given to me or taken by me",
                key="mine",
                bind="query-params",
                on_change=_to_first_page,
            )
    with st.container(gap="xsmall"):
        severities = st.pills(
            "Severity",
            _GRAVEST_FIRST,
            selection_mode="multi",
            key="severity",
            bind="query-params",
            format_func=lambda level: level.value,
            label_visibility="collapsed",
            on_change=_to_first_page,
        )
        statuses = st.pills(
            "Status",
            list(IncidentStatus),
            selection_mode="multi",
            key="status",
            bind="query-params",
            format_func=lambda status: status_chip(status).word,
            label_visibility="collapsed",
            on_change=_to_first_page,
        )
    since, until = _moment("since"), _moment("until")
    fact = st.query_params.get("fact") or None
    _render_from_links(since, until, fact)
    return IncidentFilters(
        search=(search or "").strip(),
        statuses=tuple(statuses),
        severities=tuple(severities),
        services=tuple(service),
        since=since or (now - _PERIODS[period][1] if period else None),
        until=until,
        fact=fact,
        mine=bool(mine),
    )


def _render_from_links(since: datetime | None, until: datetime | None, fact: str | None) -> None:
    """What a link asked for that has no field here, and the way to be rid of it."""
    parts = []
    if since or until:
        begin = f"from {absolute(since)}" if since else ""
        end = f"until {absolute(until)}" if until else ""
        parts.append(" ".join(part for part in ("reported", begin, end) if part))
    if fact:
        parts.append(escape(fact.replace("_", " ")))
    if not parts:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f":material/filter_alt: Only those {', '.join(parts)}.", width="content")
        st.button("Show the others too", key="forget_link", type="tertiary", on_click=_forget_link)


def _moment(name: str) -> datetime | None:
    try:
        return parse_instant(st.query_params.get(name, ""))
    except ValueError:
        return None


def _forget_link() -> None:
    for name in _FROM_LINKS:
        st.query_params.pop(name, None)
    _to_first_page()


def _to_first_page() -> None:
    st.session_state[PAGE] = 1
