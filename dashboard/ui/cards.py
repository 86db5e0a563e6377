"""Sentences about incidents and approvals that several pages share."""

from __future__ import annotations

from datetime import datetime

from dashboard.domain.approval import Approval
from dashboard.domain.incident import Incident
from dashboard.ui.text import escape
from dashboard.ui.times import with_age

_SOURCES = {"webhook": "a webhook, submitter unknown", "import": "import of history"}


def reporter(incident: Incident) -> str:
    """Who handed an incident in, as Markdown."""
    return escape(incident.submitted_by_name or _SOURCES.get(incident.source, "somebody unknown"))


def record_sentences(approval: Approval, now: datetime) -> list[str]:
    """Who decided what, when and why, as Markdown lines."""
    sentences = []
    if approval.decided_at:
        who = escape(approval.decided_by_name or "Somebody")
        sentences.append(f"{who} {approval.status} this {with_age(approval.decided_at, now)}.")
    if approval.decision_reason:
        sentences.append(f"Reason: {escape(approval.decision_reason)}")
    if approval.cause:
        sentences.append(f"Cause: {escape(approval.cause)}")
    return sentences or [f"Asked for {with_age(approval.created_at, now)}."]
