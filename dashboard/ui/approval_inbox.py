"""From one proposal to the next that waits for the reader."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard.domain.approval import WaitingApproval
from dashboard.routes import APPROVAL, APPROVALS
from dashboard.ui.links import render_link


def render_neighbours(waiting: Sequence[WaitingApproval], approval_id: str) -> None:
    """The one before and the one after, by deadline, among those the reader may decide."""
    mine = [approval for approval in waiting if approval.may_decide]
    others = [approval for approval in mine if approval.id != approval_id]
    if not others:
        render_link(APPROVALS, "All approvals")
        return
    place = next((number for number, approval in enumerate(mine) if approval.id == approval_id), None)
    with st.container(horizontal=True, vertical_alignment="center"):
        if place is None:
            render_link(APPROVAL, f"Next that waits for you: {others[0].title}", id=others[0].id)
            return
        st.caption(f"{place + 1} of {len(mine)} that wait for you", width="content")
        if place > 0:
            render_link(APPROVAL, "Previous", id=mine[place - 1].id)
        if place + 1 < len(mine):
            render_link(APPROVAL, "Next", id=mine[place + 1].id)
