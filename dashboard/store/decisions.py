"""What somebody reads before they decide, and what became of the decision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from supabase import Client

from dashboard.domain.action import ActionRun
from dashboard.domain.analysis import AiAnalysis
from dashboard.domain.approval import Approval, ApprovalRule, Precedents, Vote, WaitingApproval
from dashboard.domain.incident import Incident
from dashboard.errors import NotFound
from dashboard.store import approvals, audit, executions, incidents, postmortems, services
from dashboard.store.audit import Entry, Wanted
from dashboard.store.executions import Owed
from dashboard.store.services import Service


class About(NamedTuple):
    """What a proposal is about. `waiting` is what else waits; `incident` comes without its report.

    `service` is None where the desk does not know it, `before` the approval that this one took the place of.
    """

    incident: Incident
    rule: ApprovalRule
    analysis: AiAnalysis | None
    precedents: Precedents
    waiting: tuple[WaitingApproval, ...]
    service: Service | None = None
    before: Approval | None = None


class Attention(NamedTuple):
    """Who had this version of a proposal on their screen, oldest look first, and the notices of it."""

    seen: tuple[Entry, ...] = ()
    told: tuple[Owed, ...] = ()


class Course(NamedTuple):
    """How an approval that is over went on; `successor` is the id of the one that took its place."""

    votes: tuple[Vote, ...]
    delivery: Owed | None
    action_runs: tuple[ActionRun, ...]
    successor: str | None


@dataclass(frozen=True, slots=True)
class ApprovalFile:
    """One approval for one person: what its page is drawn from. `reader` is asked at each call."""

    approval_id: str
    reader: Callable[[], Client]

    def get_approval(self) -> Approval:
        """How it stands. Raises NotFound."""
        if not self.approval_id:
            raise NotFound("This address names no approval.", to_do="Choose one from the list.")
        return approvals.get_approval(self.reader(), self.approval_id)

    def get_rule(self) -> ApprovalRule:
        """Who may decide, and who has."""
        return approvals.get_rule(self.reader(), self.approval_id)

    def get_about(self, approval: Approval) -> About:
        """What it is about. Raises NotFound."""
        return get_about(self.reader(), approval)


def get_about(user: Client, approval: Approval) -> About:
    """Read what there is to know before deciding. Raises NotFound."""
    incident = incidents.find_incidents(user, [approval.incident_id]).get(approval.incident_id)
    if incident is None:
        raise NotFound("The incident of this approval is not there.", to_do="Look among the incidents.")
    return About(
        incident,
        approvals.get_rule(user, approval.id),
        postmortems.find_analysis(user, approval.incident_id),
        approvals.get_precedents(user, approval.id),
        approvals.list_waiting(user),
        services.find_service(user, incident.service_id),
        approvals.get_approval(user, approval.supersedes) if approval.supersedes else None,
    )


def get_attention(user: Client, approval: Approval) -> Attention:
    """Read who knows of it."""
    entries, _ = audit.list_entries(user, Wanted(kind="approval", subject=approval.id))
    looks = [
        entry
        for entry in reversed(entries)
        if entry.action == "approval.seen" and entry.detail.get("content_hash") == approval.content_hash
    ]
    return Attention(tuple(looks), executions.list_notices(user, approval.incident_id, approval.id))


def get_course(user: Client, approval: Approval) -> Course:
    """Read what came after."""
    runs = executions.list_action_runs(user, approval.incident_id)
    return Course(
        approvals.list_votes(user, approval.id),
        executions.find_delivery(user, approval.incident_id, approval.id),
        tuple(run for run in runs if run.approval_id == approval.id),
        approvals.find_successor(user, approval.id),
    )
