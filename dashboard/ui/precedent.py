"""What was decided before on something alike, and what came of it."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from dashboard.domain.approval import Precedents
from dashboard.routes import APPROVAL
from dashboard.ui.approval_rows import OUTCOMES
from dashboard.ui.chips import approval_status_chip
from dashboard.ui.errors_view import render_empty
from dashboard.ui.rows import Column, Part, Row, age, chip, link, render_rows, text
from dashboard.ui.times import absolute

_COLUMNS = (
    Column("Decision", "chips", "max-content"),
    Column("Then", "titled", "minmax(12rem, 1fr)"),
    Column("By whom, why", "fact", "minmax(8rem, 14rem)"),
    Column("When", "fact", "minmax(6rem, 8.5rem)"),
)


def render_precedents(found: Precedents, now: datetime) -> None:
    """Counted first, then the newest of them."""
    if not found.count:
        render_empty("The same was never decided on this service before.")
        return
    once = "once" if found.count == 1 else f"{found.count} times"
    outcomes = [
        f"{count} {words}"
        for count, words in (
            (found.approved, "approved"),
            (found.rejected, "rejected"),
            (found.acted, "carried out"),
            (found.failed, "did not go well"),
        )
        if count
    ]
    st.markdown(f"Decided {once} before: {', '.join(outcomes)}.")
    rows = []
    for past in found.decisions:
        shown = [chip(approval_status_chip(past.status))]
        if past.outcome:
            shown.append(chip(OUTCOMES[past.outcome]))
        cells: list[list[Part]] = [
            shown,
            [
                link(past.title),
                text(f"{past.external_id}, now {past.incident_status.replace('_', ' ')}", "quiet wide"),
            ],
            [text(past.decided_by_name or ""), text(past.decision_reason or "", "quiet")],
            [age(past.decided_at), text(absolute(past.decided_at), "quiet")],
        ]
        rows.append(Row(past.id, APPROVAL, cells, {"id": past.id}))
    render_rows("precedents", "Earlier decisions", _COLUMNS, rows, now)
