"""Approvals: what waits, who may decide, the decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from supabase import Client

from dashboard.domain.approval import (
    Approval,
    ApprovalRule,
    Decision,
    DecisionReceipt,
    Precedents,
    Successor,
    Vote,
    WaitingApproval,
)
from dashboard.domain.clock import to_iso
from dashboard.domain.listing import ApprovalFilters, ListedApproval
from dashboard.errors import NotFound
from dashboard.store.connection import call, first, rows
from dashboard.store.reading import all_understood, understood

PAGE_SIZE = 50


def list_waiting(user: Client) -> tuple[WaitingApproval, ...]:
    """Pending approvals of the organization, nearest deadline first."""
    return all_understood(WaitingApproval, call(user, "waiting_approvals") or ())


def count_waiting(user: Client) -> int:
    """How many pending approvals the caller may decide now."""
    return int(call(user, "count_waiting"))


def list_page(
    user: Client, filters: ApprovalFilters | None = None, page: int = 1
) -> tuple[tuple[ListedApproval, ...], bool]:
    """A page of approvals, newest first, without their texts, and whether another one follows."""
    wanted = filters or ApprovalFilters()
    arguments = {
        "statuses": list(wanted.statuses) or None,
        "outcomes": list(wanted.outcomes) or None,
        "services": list(wanted.services) or None,
        "since": to_iso(wanted.since) if wanted.since else None,
        "until": to_iso(wanted.until) if wanted.until else None,
        "skip": (max(1, page) - 1) * PAGE_SIZE,
        # One more than is shown tells whether there is another page.
        "take": PAGE_SIZE + 1,
    }
    found = all_understood(ListedApproval, call(user, "list_approvals", arguments) or ())
    return found[:PAGE_SIZE], len(found) > PAGE_SIZE


def get_precedents(user: Client, approval_id: str) -> Precedents:
    """What was decided before on something alike, and what came of it. Raises NotFound."""
    return understood(Precedents, call(user, "precedents", {"approval_id": approval_id}))


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
