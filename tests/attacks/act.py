"""The act: begun only by who owns the incident, on an approval, once."""

import uuid
from typing import Any

from tests.attacks.attempt import (
    Attack,
    Line,
    Situation,
    Thwarted,
    begun,
    changed,
    decided,
    killed,
    rule,
    waiting,
)
from tests.sql.desk import Desk

_BEGIN = "public.begin_action"
_REFUSAL = "private.refusal"
_OWNS = Line("private.owned_execution", "if not execution.owns then", "if false then")
_ONLY_APPROVED = Line(_REFUSAL, "when approval.status <> 'approved' then", "when false then")
_ONLY_WITH_A_VOTE = Line(
    _REFUSAL,
    "when not exists (select from public.approval_votes v where",
    "when false and not exists (select from public.approval_votes v where",
)
_BEFORE_WORKED = Line(_BEGIN, "(r.status <> 'acted' or r.verified is not true)", "false")
_NEXT_OF_ALL = Line(_BEGIN, "where r.action_key = element.value ->> 'key' and case", "where false and case")
_ONCE_PER_APPROVAL = rule("drop index public.action_runs_once_per_approval")


def _rejected(desk: Desk) -> Situation:
    return decided(desk, "rejected")


def _begun(desk: Desk) -> Situation:
    situation = decided(desk)
    begun(desk, situation["execution"], nonce="nonce-of-the-act")
    return situation


def _begun_and_failed(desk: Desk) -> Situation:
    situation = _begun(desk)
    _finish(desk, situation["execution"], "nonce-of-the-act", "failed")
    return situation


def _finish(desk: Desk, execution: str, nonce: str, outcome: str = "acted") -> None:
    desk.by_flow(
        "finish_action",
        kestra_execution_id=execution,
        action_key="restart_service",
        nonce=nonce,
        outcome=outcome,
        detail={"code": 200, "verified": outcome == "acted"},
    )


def _low(desk: Desk, **payload: Any) -> Situation:
    desk.configure("services", desk.service, auto_remediate=True)
    made = desk.submit(severity="LOW", **payload)
    execution = desk.claim(made)
    desk.analysed(execution)
    return {"execution": execution, "incident": made["incident_id"]}


def _direct(desk: Desk, execution: str, **payload: Any) -> dict[str, Any]:
    filled = {"service": "payment-api", "severity": "LOW", "title": "Forged"} | payload
    answer: dict[str, Any] = desk.by_flow("open_run", payload=filled, kestra_execution_id=execution)
    if not answer["proceed"]:
        raise Thwarted(answer["reason"])
    return answer


def _beside_a_low_one(desk: Desk) -> Situation:
    """A second execution that was refused the incident."""
    situation = _low(desk)
    run = desk.row("select run_id::text from executions")["run_id"]
    desk.by_flow("open_run", payload={"run_id": run}, kestra_execution_id="ex-duplicate")
    return situation


def _duplicate_acts(desk: Desk, situation: Situation) -> None:
    desk.analysed("ex-duplicate")
    begun(desk, "ex-duplicate")


def _superseded(desk: Desk) -> Situation:
    situation = decided(desk)
    changed(desk, desk.rita, situation["incident"], "severity", severity="HIGH")
    return situation


def _kill_asked_for(desk: Desk) -> Situation:
    situation = decided(desk)
    row = str(situation["approval"]["execution_id"])
    desk.by(desk.rita, "request_command", kind="kill", id=row, reason="Stop.")
    return situation


def _killed(desk: Desk) -> Situation:
    situation = decided(desk)
    killed(desk, situation["execution"])
    return situation


def _resolved(desk: Desk) -> Situation:
    situation = decided(desk)
    changed(desk, desk.rita, situation["incident"], "resolve")
    return situation


def _lowered_and_run_again(desk: Desk) -> Situation:
    """An approver said no; a responder calls it LOW and runs it again."""
    desk.configure("services", desk.service, auto_remediate=True)
    situation = decided(desk, "rejected")
    killed(desk, situation["execution"], "SUCCESS")
    changed(desk, desk.rita, situation["incident"], "severity", severity="LOW")
    again = desk.by(desk.rita, "request_command", kind="run_again", id=situation["incident"], reason="Again.")
    execution = desk.claim({"run_id": again["command_id"]})
    desk.analysed(execution)
    return {"execution": execution}


def _medium_without_approval(desk: Desk) -> Situation:
    desk.configure("services", desk.service, auto_remediate=True)
    execution = desk.claim(desk.submit(severity="MEDIUM"))
    desk.analysed(execution)
    return {"execution": execution}


def _forged_by_webhook(desk: Desk) -> Situation:
    desk.configure("organizations", desk.organization, is_default=True)
    desk.configure("services", desk.service, auto_remediate=True)
    _direct(desk, "ex-forged")
    desk.analysed("ex-forged")
    return {"execution": "ex-forged"}


def _twin(desk: Desk) -> Situation:
    desk.configure("organizations", desk.organization, is_default=True)
    return waiting(desk, id="INC-TWIN")


def _risk_grew(desk: Desk) -> Situation:
    situation = _low(desk)
    desk.configure("actions", desk.action, risk="high")
    return situation


def _begin(desk: Desk, situation: Situation) -> None:
    begun(desk, situation["execution"])


def _fetch_anothers_answer(desk: Desk, situation: Situation) -> None:
    begun(desk, situation["execution"], nonce="nonce-of-another")


def _finish_anothers_act(desk: Desk, situation: Situation) -> None:
    _finish(desk, situation["execution"], uuid.uuid4().hex)


_RESUMED = frozenset({"approvals", "incidents", "audit_log"})

ATTACKS = [
    Attack(
        "the run is resumed in Kestra without a decision (three defences: pending, not approved, no vote)",
        waiting,
        _begin,
        "resumed without a decision",
        (
            Line(_BEGIN, "if approval.status = 'pending' then", "if false then"),
            _ONLY_APPROVED,
            _ONLY_WITH_A_VOTE,
        ),
        _RESUMED,
    ),
    Attack(
        "what was rejected is carried out (two defences: not approved, no vote for it)",
        _rejected,
        _begin,
        "The proposal is rejected",
        (_ONLY_APPROVED, _ONLY_WITH_A_VOTE),
    ),
    Attack(
        "a restarted act begins again (three defences: the check, the choice of the next one, the index)",
        _begun,
        _begin,
        "was not seen to have worked",
        (_BEFORE_WORKED, _NEXT_OF_ALL, _ONCE_PER_APPROVAL),
    ),
    Attack(
        "a failed action is tried again on the same approval (four defences: the outcome too)",
        _begun_and_failed,
        _begin,
        "already has its outcome",
        (
            Line(_REFUSAL, "when approval.outcome is not null then", "when false then"),
            _BEFORE_WORKED,
            _NEXT_OF_ALL,
            _ONCE_PER_APPROVAL,
        ),
    ),
    Attack(
        "another process fetches the leave that one was given",
        _begun,
        _fetch_anothers_answer,
        "was not seen to have worked",
        (
            Line(
                _BEGIN,
                "r.execution_id = execution.id and r.nonce = begin_action.nonce",
                "r.execution_id = execution.id",
            ),
        ),
    ),
    Attack(
        "another process says how an action ended",
        _begun,
        _finish_anothers_act,
        "not_begun",
        (Line("public.finish_action", "and r.nonce = finish_action.nonce"),),
    ),
    Attack(
        "an execution acts that was refused the incident",
        _beside_a_low_one,
        _duplicate_acts,
        "not_owner",
        (_OWNS,),
    ),
    Attack(
        "a run that another one replaced goes on with its approval",
        _superseded,
        _begin,
        "not_owner",
        (_OWNS,),
    ),
    Attack(
        "a run acts after a person asked to kill it",
        _kill_asked_for,
        _begin,
        "asked to kill",
        (Line(_BEGIN, "if execution.kill_requested_at is not null then", "if false then"),),
    ),
    Attack(
        "a killed run is brought back and acts (two defences: the run is over, the approval has its outcome)",
        _killed,
        _begin,
        "may not go on",
        (
            Line("private.owned_execution", "or execution.state in ('KILLED', 'LOST')"),
            Line(_REFUSAL, "when approval.outcome is not null then", "when false then"),
        ),
    ),
    Attack(
        "an action runs for an incident that somebody resolved",
        _resolved,
        _begin,
        "The incident is resolved",
        (Line(_REFUSAL, "if incident.status in ('resolved', 'closed') then", "if false then"),),
    ),
    Attack(
        "what was rejected runs by rule, once its severity was lowered to LOW",
        _lowered_and_run_again,
        _begin,
        "People were asked about this incident",
        (
            Line(
                _REFUSAL,
                "when exists (select from public.approvals a where a.incident_id = incident.id)",
                "when false",
            ),
        ),
    ),
    Attack(
        "a MEDIUM incident acts without having asked",
        _medium_without_approval,
        _begin,
        "does not act without an approval",
        (Line(_REFUSAL, "when incident.severity <> 'LOW' then", "when false then"),),
    ),
    Attack(
        "a LOW incident forged by webhook acts by itself",
        _forged_by_webhook,
        _begin,
        "direct webhook",
        (Line(_REFUSAL, "not organization.auto_remediate_direct_webhooks", "false"),),
    ),
    Attack(
        "a twin forged by webhook takes over an incident that waits (two defences: the check and the index)",
        _twin,
        lambda desk, s: _direct(desk, "ex-twin", id="INC-TWIN"),
        "is at work on this incident",
        (
            Line(
                "public.open_run",
                "where e.incident_id = incident.id and e.owns and e.ended_at is null",
                "where false",
            ),
            rule("drop index public.executions_one_live_owner"),
        ),
        frozenset({"incidents"}),
    ),
    Attack(
        "an action whose risk grew since the model chose it runs without a person",
        _risk_grew,
        _begin,
        "only low risk acts without a person",
        (Line(_BEGIN, "c.key = action ->> 'action' and c.risk <> 'low'", "false"),),
    ),
]
