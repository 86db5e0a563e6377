"""Approvals as rows: what waits with its countdown, what is over with what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from dashboard.domain.approval import ApprovalOutcome, WaitingApproval
from dashboard.domain.listing import ListedApproval
from dashboard.routes import APPROVAL
from dashboard.ui.chips import Chip, approval_status_chip, severity_chip
from dashboard.ui.rows import Column, Part, Row, age, chip, countdown, link, render_rows, text
from dashboard.ui.times import absolute

_YOU = Chip("you may decide", "person", "green")
_WAITING = (
    Column("Severity", "chips", "max-content"),
    Column("Proposal", "titled", "minmax(13rem, 1fr)"),
    Column("Who decides", "fact", "minmax(8rem, 13rem)"),
    Column("Time left", "fact", "minmax(max-content, 8rem)"),
)
_SETTLED = (
    Column("Decision", "chips", "max-content"),
    Column("Proposal", "titled", "minmax(13rem, 1fr)"),
    Column("By whom, why", "fact", "minmax(8rem, 14rem)"),
    Column("When", "fact", "minmax(6rem, 8.5rem)"),
)
OUTCOMES = {
    ApprovalOutcome.ACTED: Chip("carried out", "check_circle", "green"),
    ApprovalOutcome.FAILED: Chip("tried, did not happen", "cancel", "red"),
    ApprovalOutcome.UNKNOWN: Chip("may have happened", "help", "yellow"),
    ApprovalOutcome.NOT_CARRIED_OUT: Chip("not carried out", "do_not_disturb_on", "gray"),
}


def render_waiting_rows(approvals: Sequence[WaitingApproval], now: datetime) -> None:
    """What waits, in the order given."""
    rows = []
    for approval in approvals:
        asked = approval.requested_by_name or "an alert, submitter unknown"
        cells: list[list[Part]] = [
            [chip(severity_chip(approval.severity))],
            [
                link(approval.title),
                text(approval.summary, "wide"),
                text(f"{approval.service}, {approval.external_id}, asked for by {asked}", "quiet wide"),
            ],
            [chip(_YOU)] if approval.may_decide else [text(approval.why_not or "somebody else")],
            [countdown(approval.deadline_at)],
        ]
        rows.append(Row(approval.id, APPROVAL, cells, {"id": approval.id}))
    render_rows("waiting_rows", "Approvals that wait", _WAITING, rows, now)


def render_settled_rows(approvals: Sequence[ListedApproval], now: datetime) -> None:
    """What is over, or waits still, in the order given."""
    rows = []
    for approval in approvals:
        ended_at = approval.decided_at or (
            approval.created_at if approval.deadline_at > now else approval.deadline_at
        )
        why = approval.decision_reason or approval.cause or ""
        state = [chip(approval_status_chip(approval.status))]
        if approval.outcome:
            state.append(chip(OUTCOMES[approval.outcome]))
        cells: list[list[Part]] = [
            state,
            [
                link(approval.title),
                text(approval.summary or "", "wide"),
                text(f"{approval.service}, {approval.external_id}", "quiet wide"),
            ],
            [text(approval.decided_by_name or ""), text(why, "quiet")],
            [age(ended_at), text(absolute(ended_at), "quiet")],
        ]
        rows.append(Row(approval.id, APPROVAL, cells, {"id": approval.id}))
    render_rows("settled_rows", "Approvals", _SETTLED, rows, now)
