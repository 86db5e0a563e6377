"""The filters of the approvals, each in the address."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import streamlit as st

from dashboard.domain.approval import ApprovalStatus
from dashboard.domain.listing import ApprovalFilters
from dashboard.ui.link_filters import moment, period_words, render_link_filters, words
from dashboard.ui.paging import to_first_page

WAITING = "Waiting"
# What stands in the address is what stands on the screen.
_SHOWN: dict[str, tuple[str, ...]] = {
    WAITING: (ApprovalStatus.PENDING.value,),
    "Decided": (ApprovalStatus.APPROVED.value, ApprovalStatus.REJECTED.value),
    "Expired and cancelled": (ApprovalStatus.EXPIRED.value, ApprovalStatus.CANCELLED.value),
}
_FROM_LINKS = ("status", "outcome", "since", "until")


class Choice(NamedTuple):
    """`inbox`: what waits is asked for as such, with whether the reader may decide."""

    inbox: bool
    filters: ApprovalFilters


def render_approval_filters(services: Sequence[str]) -> Choice:
    """Draw the fields and answer what they ask for; a link from elsewhere may have asked for other things."""
    since, until = moment("since"), moment("until")
    statuses, outcomes = words("status"), words("outcome")
    is_from_link = bool(statuses or outcomes or since or until)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        shown = WAITING
        if not is_from_link:
            shown = st.segmented_control(
                "Show",
                list(_SHOWN),
                default=WAITING,
                required=True,
                key="show",
                bind="query-params",
                label_visibility="collapsed",
                on_change=to_first_page,
            )
        with st.popover("Service", icon=":material/filter_list:"):
            chosen = st.multiselect(
                "Service",
                # An incident may name a service that is not in the catalogue, and so may a link to it.
                sorted({*services, *words("service")}),
                key="service",
                bind="query-params",
                on_change=to_first_page,
            )
    if is_from_link:
        asked = (
            *statuses,
            *(f"outcome {name}" for name in outcomes),
            period_words("asked for", since, until),
        )
        render_link_filters(asked, _FROM_LINKS)
        return Choice(False, ApprovalFilters(statuses, outcomes, tuple(chosen), since, until))
    return Choice(shown == WAITING, ApprovalFilters(_SHOWN[shown], services=tuple(chosen)))
