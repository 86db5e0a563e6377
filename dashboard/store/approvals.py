"""Approvals: what waits, who may decide, the decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from supabase import Client

from dashboard.domain.approval import (
    Approval,
    ApprovalRule,
    ApprovalStatus,
    Decision,
    DecisionReceipt,
    Successor,
    Vote,
    WaitingApproval,
)
from dashboard.errors import NotFound
from dashboard.store.connection import call, first, rows
from dashboard.store.reading import all_understood, understood


def list_waiting(user: Client) -> tuple[WaitingApproval, ...]:
    """Pending approvals of the organization, nearest deadline first."""
    return all_understood(WaitingApproval, call(user, "waiting_approvals") or ())


def list_settled(user: Client, statuses: Sequence[ApprovalStatus], limit: int = 50) -> tuple[Approval, ...]:
    """Approvals of these statuses, newest first."""
    query = (
        user.table("approvals")
        .select("*")
        .in_("status", [status.value for status in statuses])
        .order("created_at", desc=True)
        .limit(limit)
    )
    return all_understood(Approval, rows(query))


def list_approvals(user: Client, incident_id: str) -> tuple[Approval, ...]:
    """The approvals of an incident, newest first."""
    query = user.table("approvals").select("*").eq("incident_id", incident_id).order("created_at", desc=True)
    return all_understood(Approval, rows(query))


def get_approval(user: Client, approval_id: str) -> Approval:
    """One approval. Raises NotFound."""
    row = first(user.table("approvals").select("*").eq("id", approval_id).limit(1))
    if row is None:
        raise NotFound(
            "There is no such approval, or it belongs to another organization.",
            to_do="Look for it among the approvals.",
        )
    return understood(Approval, row)


def get_rule(user: Client, approval_id: str) -> ApprovalRule:
    """Whether the caller may decide, and by which rule. Raises NotFound."""
    return understood(ApprovalRule, call(user, "approval_rule", {"approval_id": approval_id}))


def list_votes(user: Client, approval_id: str) -> tuple[Vote, ...]:
    """Who said what, oldest first."""
    query = user.table("approval_votes").select("*").eq("approval_id", approval_id).order("at")
    return all_understood(Vote, rows(query))


def decide(
    user: Client, approval_id: str, decision: Decision, reason: str, content_hash: str
) -> DecisionReceipt:
    """Approve or reject the text of that hash, once.

    Raises AlreadyDecided, NotPending, Expired, StaleContent, FourEyes, NotApprover, ReasonRequired.
    """
    arguments = {
        "approval_id": approval_id,
        "decision": decision.value,
        "reason": reason,
        "content_hash": content_hash,
    }
    return understood(DecisionReceipt, call(user, "decide_approval", arguments))


def edit(
    user: Client, approval_id: str, actions: Sequence[Mapping[str, Any]], reason: str, content_hash: str
) -> Successor:
    """Put another list of actions `{action, parameters, reason}` in place of the text of that hash.

    Raises what `decide` raises, and InvalidInput with `fields` for what the catalogue does not allow.
    """
    arguments = {
        "approval_id": approval_id,
        "proposal": list(actions),
        "content_hash": content_hash,
        "reason": reason,
    }
    return understood(Successor, call(user, "edit_proposal", arguments))


def withdraw(user: Client, approval_id: str, reason: str) -> Successor:
    """Take one's own decision back before it was delivered. Raises Conflict where it is too late."""
    return understood(
        Successor, call(user, "withdraw_decision", {"approval_id": approval_id, "reason": reason})
    )


def find_successor(user: Client, approval_id: str) -> str | None:
    """The id of the approval that superseded this one."""
    row = first(user.table("approvals").select("id").eq("supersedes", approval_id).limit(1))
    return None if row is None else str(row["id"])
