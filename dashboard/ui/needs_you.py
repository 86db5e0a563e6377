"""What needs the reader, gravest and most urgent first: one row each, with why and since when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from dashboard.domain.approval import WaitingApproval
from dashboard.domain.overview import Attention, Overview, Stuck
from dashboard.domain.postmortem import OverdueItem
from dashboard.domain.steps import step_title
from dashboard.routes import APPROVAL, APPROVALS, INCIDENT, INCIDENTS, POSTMORTEM, SYSTEM
from dashboard.ui.chips import NEEDS_HUMAN, Chip, severity_chip
from dashboard.ui.errors_view import render_empty
from dashboard.ui.links import render_link
from dashboard.ui.rows import Column, Part, Row, age, chip, countdown, link, render_rows, text
from dashboard.ui.times import with_age

_COLUMNS = (
    Column("Severity", "chips", "max-content"),
    Column("What", "titled", "minmax(12rem, 1fr)"),
    Column("Why", "fact", "minmax(10rem, 1fr)"),
    Column("When", "fact", "minmax(max-content, 8rem)"),
)
_DECIDE = Chip("decide", "how_to_reg", "yellow")
_NOBODY_TOLD = Chip("nobody could be told", "notifications_off", "red")
_ESCALATED = Chip("escalated, not acknowledged", "campaign", "orange")
_FAILED = Chip("run failed", "cancel", "red")
_STUCK = Chip("stuck", "sync_problem", "orange")
_OVERDUE = Chip("action item overdue", "event_busy", "orange")
_OWED = {
    "start_run": "the start of a run",
    "deliver_decision": "a decision on its way to the flow",
    "command": "a command to Kestra",
    "notice": "a notice to people",
}


MOST_TO_DECIDE = 10
"""So many proposals are listed, nearest deadline first; Approvals has them all."""


class Needs(NamedTuple):
    """What needs somebody, by kind, each in its order."""

    waiting: tuple[WaitingApproval, ...] = ()
    attention: tuple[Attention, ...] = ()
    stuck: tuple[Stuck, ...] = ()
    items: tuple[OverdueItem, ...] = ()


def mine(seen: Overview, items: Sequence[OverdueItem], reader: str, *, anybody: bool) -> Needs:
    """What the reader may decide, what nobody else has taken, what is stuck, and overdue items of theirs.

    With `anybody`, for readers who may do nothing of it, what waits for whomever.
    """
    return Needs(
        tuple(approval for approval in seen.waiting if approval.may_decide or anybody),
        tuple(incident for incident in seen.attention if incident.is_anybodys or anybody),
        seen.stuck,
        tuple(item for item in items if item.owner_id in (None, reader) or anybody),
    )


def render_others(seen: Overview, needs: Needs) -> None:
    """In one line each: what waits besides, for the reader or for somebody else, and where to see it."""
    if besides := len(needs.waiting[MOST_TO_DECIDE:]):
        render_link(APPROVALS, f"{besides} more {'waits' if besides == 1 else 'wait'} for a decision")
    if others := len(seen.waiting) - len(needs.waiting):
        waits = "waits" if others == 1 else "wait"
        more = "more " if needs.waiting else ""
        render_link(APPROVALS, f"{others} {more}{waits} for somebody else's decision")
    if taken := len(seen.attention) - len(needs.attention):
        render_link(INCIDENTS, f"{taken} {'is' if taken == 1 else 'are'} in somebody else's hands")


def render_last_decision(seen: Overview) -> None:
    """Nothing is left to do, and what was done last."""
    last = seen.last_decision
    if last is None:
        render_empty("Nothing needs you.", "Nothing was decided yet.")
        return
    by = last.by or "somebody"
    when = f"{last.at:%H:%M} UTC by {by}, {with_age(last.at, seen.now)}"
    render_empty("Nothing needs you.", f"Last decision {when}: {last.status}.")


def render_needs_you(needs: Needs, now: datetime) -> None:
    """Draw them in the order of their kinds; `now` is the database's clock."""
    rows = [
        *_to_decide(needs.waiting[:MOST_TO_DECIDE]),
        *_to_look_at(needs.attention),
        *_to_get_moving(needs.stuck),
        *_to_finish(needs.items),
    ]
    render_rows("needs_you", "What needs you", _COLUMNS, rows, now)


def _to_decide(waiting: Sequence[WaitingApproval]) -> Iterator[Row]:
    for approval in waiting:
        cells = [
            [chip(severity_chip(approval.severity))],
            [link(approval.title), _about(approval.service, approval.external_id)],
            [chip(_DECIDE), text(approval.summary, "quiet")],
            [countdown(approval.deadline_at)],
        ]
        yield Row(approval.id, APPROVAL, cells, {"id": approval.id})


def _to_look_at(attention: Sequence[Attention]) -> Iterator[Row]:
    for incident in attention:
        cells = [
            [chip(severity_chip(incident.severity))],
            [link(incident.title), _about(incident.service, incident.external_id)],
            _why(incident),
            [age(incident.since)],
        ]
        yield Row(incident.id, INCIDENT, cells, {"id": incident.id})


def _why(incident: Attention) -> list[Part]:
    if incident.escalated_at:
        return [
            chip(_NOBODY_TOLD if incident.told_nobody else _ESCALATED),
            text(incident.reason or "", "quiet"),
        ]
    if incident.failed_at:
        at = f"at: {step_title(incident.failed_step)}" if incident.failed_step else ""
        return [chip(_FAILED), text(at or incident.reason or "", "quiet")]
    return [chip(NEEDS_HUMAN), text(incident.reason or "No reason was recorded.", "quiet")]


def _to_get_moving(stuck: Sequence[Stuck]) -> Iterator[Row]:
    for work in stuck:
        what = _OWED.get(work.kind, work.kind)
        cells = [
            [chip(severity_chip(work.severity))] if work.severity else [],
            [link(work.title or what.capitalize()), text(work.service or "", "quiet wide")],
            [chip(_STUCK), text(f"{what}: {work.last_error or 'no reason was recorded'}", "quiet")],
            [age(work.stuck_since)],
        ]
        if work.incident_id:
            yield Row(work.id, INCIDENT, cells, {"id": work.incident_id})
        else:
            yield Row(work.id, SYSTEM, cells)


def _to_finish(items: Sequence[OverdueItem]) -> Iterator[Row]:
    for item in items:
        cells = [
            [],
            [
                link(item.title),
                text(f"{item.service}, {item.external_id}: {item.incident_title}", "quiet wide"),
            ],
            [chip(_OVERDUE), text(item.owner_name or "nobody owns it", "quiet")],
            [age(item.due_at)] if item.due_at else [],
        ]
        yield Row(item.id, POSTMORTEM, cells, {"id": item.incident_id})


def _about(service: str, external_id: str) -> Part:
    return text(f"{service}, {external_id}", "quiet wide")
