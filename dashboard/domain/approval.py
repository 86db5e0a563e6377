"""Approvals: a proposal as it stands, who may decide on it, and what was decided."""

from __future__ import annotations

import hashlib
from enum import StrEnum

from pydantic import Field

from dashboard.domain.action import ProposedAction
from dashboard.domain.severity import Severity
from dashboard.domain.shape import Instant, Shape, Texts


class ApprovalStatus(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"  # nobody decided in time
    CANCELLED = "cancelled"  # ended elsewhere; `cause` says how


class Decision(StrEnum):
    """What a person can answer."""

    APPROVED = "approved"
    REJECTED = "rejected"


class ApprovalOutcome(StrEnum):
    """What became of a decided approval."""

    ACTED = "acted"
    FAILED = "failed"
    UNKNOWN = "unknown"  # may or may not have happened
    NOT_CARRIED_OUT = "not_carried_out"


class ProposalIncident(Shape):
    """The incident as the proposal names it."""

    id: str
    external_id: str
    service: str
    severity: Severity
    title: str


class ProposalEdit(Shape):
    """Whose edit a proposal is, why, and of which text (its hash)."""

    by: str
    reason: str
    of: str


class Proposal(Shape):
    """`proposal_text`, read. The text itself is what is hashed, shown and approved."""

    version: int
    incident: ProposalIncident
    kestra_execution_id: str
    statement: str
    nothing_to_carry_out: bool
    actions: tuple[ProposedAction, ...] = ()
    problems: Texts = ()
    edited: ProposalEdit | None = None


def parse_proposal(proposal_text: str) -> Proposal:
    """Read a proposal. Raises pydantic's ValidationError (a ValueError) when it is not one."""
    return Proposal.model_validate_json(proposal_text)


def content_hash(proposal_text: str) -> str:
    """The SHA-256 of the UTF-8 text, in hex: what a decision names as seen."""
    return hashlib.sha256(proposal_text.encode()).hexdigest()


class Approval(Shape):
    """A row of `approvals`."""

    id: str
    organization_id: str
    incident_id: str
    execution_id: str | None = None
    kestra_execution_id: str
    proposal_text: str
    content_hash: str
    nothing_to_carry_out: bool = False
    status: ApprovalStatus
    cause: str | None = None
    supersedes: str | None = None
    editors: Texts = ()
    edit_reason: str | None = None
    deadline_at: Instant
    requested_by: str | None = None
    requested_by_name: str | None = None
    self_approval_allowed: bool = False
    decided_by: str | None = None
    decided_by_name: str | None = None
    decided_at: Instant | None = None
    decision_reason: str | None = None
    delivered_at: Instant | None = None
    outcome: ApprovalOutcome | None = None
    outcome_reason: str | None = None
    created_at: Instant

    @property
    def is_pending(self) -> bool:
        return self.status is ApprovalStatus.PENDING

    @property
    def is_being_delivered(self) -> bool:
        """Decided or expired, and Kestra has not been seen to go on yet."""
        settled = (ApprovalStatus.APPROVED, ApprovalStatus.REJECTED, ApprovalStatus.EXPIRED)
        return self.status in settled and self.delivered_at is None

    def is_withdrawable_by(self, user_id: str) -> bool:
        """Whether it is this person's decision and not delivered yet; the database has the last word."""
        return self.decided_by == user_id and self.is_being_delivered and self.outcome is None


class Vote(Shape):
    """A row of `approval_votes`: who said what about which text."""

    id: int
    approval_id: str
    voter_id: str | None = None
    voter_name: str = ""
    decision: Decision
    reason: str | None = None
    content_hash: str
    at: Instant


class CountedVote(Shape):
    """An approval that counts for as long as the rule lets its voter decide."""

    voter_name: str
    reason: str | None = None
    at: Instant


class ApprovalRule(Shape):
    """The answer of `approval_rule`: may the caller decide, and if not, why; how many have approved."""

    may_decide: bool
    why_not: str | None = None
    rule: str
    deciders: Texts = ()
    self_approval_allowed: bool = False
    required: int = 1
    votes: tuple[CountedVote, ...] = ()
    has_approved: bool = False

    @property
    def progress(self) -> str:
        """How many have approved: `1 of 2`."""
        return f"{len(self.votes)} of {self.required}"


class WaitingApproval(Shape):
    """One row of `waiting_approvals`."""

    id: str
    incident_id: str
    external_id: str
    service: str
    severity: Severity
    title: str
    summary: str
    deadline_at: Instant
    created_at: Instant
    requested_by_name: str | None = None
    may_decide: bool = False
    why_not: str | None = None


class DecisionReceipt(Shape):
    """The answer of `decide_approval`."""

    approval_id: str
    status: ApprovalStatus
    decided_by: str | None = None
    decided_by_name: str | None = None
    decided_at: Instant | None = None
    reason: str | None = Field(default=None)
    delivery_id: str | None = None


class Successor(Shape):
    """The approval that an edit or a withdrawal made."""

    approval_id: str
    content_hash: str
    deadline_at: Instant


class PastDecision(Shape):
    """A decision of the past on something alike, and what came of it."""

    id: str
    external_id: str
    title: str
    status: ApprovalStatus
    decided_at: Instant
    decided_by_name: str | None = None
    decision_reason: str | None = None
    outcome: ApprovalOutcome | None = None
    outcome_reason: str | None = None
    incident_status: str


class Precedents(Shape):
    """Decisions on the same service about one of the same actions: how many, and the newest of them."""

    count: int = 0
    approved: int = 0
    rejected: int = 0
    acted: int = 0
    failed: int = 0
    decisions: tuple[PastDecision, ...] = ()
