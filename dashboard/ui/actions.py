"""What was carried out, and whether its effect was seen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from dashboard.domain.action import ActionOutcome, ActionRun
from dashboard.domain.approval import Approval, ApprovalOutcome
from dashboard.ui.chips import outcome_chip
from dashboard.ui.text import code, escape
from dashboard.ui.times import with_age

_OUTCOMES = {
    ApprovalOutcome.ACTED: "It was carried out.",
    ApprovalOutcome.FAILED: "It was tried and did not happen.",
    ApprovalOutcome.UNKNOWN: "It may or may not have happened: check the service.",
    ApprovalOutcome.NOT_CARRIED_OUT: "It was not carried out.",
}


def render_action_runs(runs: Sequence[ActionRun], now: datetime) -> None:
    """Every effect that was begun, oldest first."""
    for run in runs:
        chip = outcome_chip(run.status, verified=run.verified)
        st.markdown(f"**{escape(run.title or run.action or run.action_key)}** {chip.markdown()}")
        lines = [f"Begun {with_age(run.begun_at, now)}."]
        if answer := run.detail.get("code"):
            lines.append(f"The service answered {code(str(answer))}.")
        if seen := run.detail.get("verify_detail"):
            lines.append(f"Check afterwards: {escape(str(seen))}")
        if run.status is ActionOutcome.UNKNOWN:
            lines.append("No answer came. Look at the service before anything is tried again.")
        st.caption("  \n".join(lines))


def outcome_sentence(approval: Approval) -> str | None:
    """What became of a decided approval, as Markdown; None while nothing is known."""
    if approval.outcome is None:
        return None
    reason = f" {escape(approval.outcome_reason)}" if approval.outcome_reason else ""
    return _OUTCOMES[approval.outcome] + reason
