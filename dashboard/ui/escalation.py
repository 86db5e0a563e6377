"""Escalations: to whom the flow handed the incident, and whether anybody heard."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from dashboard.domain.execution import Escalation
from dashboard.ui.text import escape
from dashboard.ui.times import with_age


def render_escalations(escalations: Sequence[Escalation], now: datetime) -> None:
    """The latest with who was told; that nobody could be told is said as loud as it is."""
    for escalation in escalations[-1:]:
        told = ", ".join(escape(channel) for channel in escalation.told)
        nobody = "Nobody could be told: no channel is set up. Only this desk shows it."
        heard = f"Told: {told}." if told else nobody
        before = len(escalations) - 1
        earlier = f", {before} times before" if before > 1 else ", once before" if before else ""
        by = f" by {escape(escalation.acknowledged_by_name)}" if escalation.acknowledged_by_name else ""
        taken = (
            f"  \nAcknowledged{by} {with_age(escalation.acknowledged_at, now)}."
            if escalation.acknowledged_at
            else "  \nNobody has acknowledged it yet."
        )
        st.warning(
            f"{escape(escalation.reason)}  \n{heard}  \n"
            f"Escalated {with_age(escalation.created_at, now)}{earlier}.{taken}",
            title="Escalated to people",
            icon=":material/campaign:",
        )
