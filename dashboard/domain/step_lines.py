"""What each step of a run found or did, in one line of plain text."""

from __future__ import annotations

from collections.abc import Sequence

from dashboard.domain import redaction
from dashboard.domain.action import ActionOutcome, ActionRun
from dashboard.domain.analysis import AiAnalysis
from dashboard.domain.approval import Approval, ApprovalStatus, parse_proposal
from dashboard.domain.execution import Escalation
from dashboard.domain.steps import PAUSE_TASK

_LONGEST = 180
_ESCALATING = ("escalate_low", "escalate_high", "escalate_critical", "escalate_unknown")
_OUTCOMES = {
    ActionOutcome.BEGUN: "being carried out",
    ActionOutcome.FAILED: "refused by the service, did not happen",
    ActionOutcome.UNKNOWN: "may or may not have happened: check",
}


def step_lines(
    analysis: AiAnalysis | None,
    approval: Approval | None,
    action_runs: Sequence[ActionRun],
    escalation: Escalation | None,
) -> dict[str, str]:
    """Lines by step, from what one run has stored; a step that has nothing to tell has none."""
    lines: dict[str, str] = {}
    if analysis:
        lines |= _of_analysis(analysis)
    if approval:
        lines["request_approval"] = _proposed(approval)
        if decided := _decided(approval):
            lines[PAUSE_TASK] = decided
    if action_runs:
        acting = "carry_out_approved" if any(run.approval_id for run in action_runs) else "auto_remediate_low"
        lines[acting] = _cut("; ".join(_acted(run) for run in action_runs))
    if escalation:
        told = f"told: {', '.join(escalation.told)}" if escalation.told else "nobody could be told"
        lines |= dict.fromkeys(_ESCALATING, _cut(f"{told}; {escalation.reason}"))
    return lines


def _of_analysis(found: AiAnalysis) -> dict[str, str]:
    lines: dict[str, str] = {}
    clusters = sum(item.kind == "cluster" for item in found.evidence) or len(found.error_clusters)
    gathered = [_many(len(found.evidence), "fact")] if found.evidence else []
    if clusters:
        gathered.append(_many(clusters, "error cluster"))
    if hidden := redaction.total(found.redactions):
        gathered.append(f"{_many(hidden, 'secret')} removed")
    if gathered:
        lines["aggregate_data_sources"] = ", ".join(gathered)
    if found.analysis:
        level = found.analysis.confidence_level.lower()
        cause = _cut(found.analysis.root_cause.text)
        lines["ai_agent_analyze"] = f"root cause: {cause} ({level} confidence)"
    if found.remediation and found.remediation.steps:
        lines["ai_agent_remediation"] = f"{_many(len(found.remediation.steps), 'step')} planned"
    if found.documentation:
        written = found.documentation
        lines["ai_agent_documentation"] = (
            f"{_many(len(written.timeline), 'moment')} in the timeline, "
            f"{_many(len(written.action_items), 'action item')}"
        )
    if found.problem:
        lines["save_to_supabase"] = _cut(f"not complete: {found.problem}")
    elif found.completed_at:
        lines["save_to_supabase"] = "complete"
    return lines


def _proposed(approval: Approval) -> str:
    try:
        actions = parse_proposal(approval.proposal_text).actions
    except ValueError:  # the approval's page shows the text as it is
        return "a proposal was stored"
    if approval.nothing_to_carry_out or not actions:
        return "nothing to carry out"
    return _cut(f"{_many(len(actions), 'action')} proposed: {'; '.join(action.title for action in actions)}")


def _decided(approval: Approval) -> str | None:
    if approval.status is ApprovalStatus.PENDING:
        return None
    if approval.status in (ApprovalStatus.APPROVED, ApprovalStatus.REJECTED):
        by = approval.decided_by_name or "somebody"
        reason = f": {approval.decision_reason}" if approval.decision_reason else ""
        return _cut(f"{approval.status} by {by}{reason}")
    return _cut(f"{approval.status}: {approval.cause}" if approval.cause else str(approval.status))


def _acted(run: ActionRun) -> str:
    title = run.title or run.action or run.action_key
    if run.status is ActionOutcome.ACTED:
        return (
            f"{title}: done and verified" if run.verified else f"{title}: done, but its effect was not seen"
        )
    return f"{title}: {_OUTCOMES[run.status]}"


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _cut(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _LONGEST else flat[: _LONGEST - 1].rstrip() + "…"
