"""The word to the flow, and direct writes past the functions."""

import uuid
from typing import Any

from tests.attacks.attempt import (
    Attack,
    Line,
    Situation,
    Thwarted,
    as_owner,
    decided,
    no_right,
    rule,
    waiting,
    written,
)
from tests.sql.desk import Desk

_APPROVE = "update public.approvals set status = 'approved', decided_by = %s, decided_at = now()"
_VOTE = (
    "insert into public.approval_votes (approval_id, organization_id, voter_id, voter_name, decision,"
    " content_hash) select id, organization_id, %s, 'Ben', 'approved', content_hash from public.approvals"
)
_OWE = (
    "insert into public.outbox (organization_id, incident_id, kind, payload)"
    " select organization_id, incident_id, 'deliver_decision',"
    " jsonb_build_object('approval_id', id, 'kestra_execution_id', kestra_execution_id, 'status', 'approved')"
    " from public.approvals"
)
_FORGED_ACT = (
    "insert into public.action_runs (organization_id, incident_id, execution_id, approval_id, action_key,"
    " action, title, nonce, request, verify) select organization_id, incident_id, execution_id, id,"
    " 'restart_service', 'restart_service', 'x', 'guessed-nonce', '{}', '{}' from public.approvals"
)


def _taken(desk: Desk) -> Situation:
    situation = decided(desk)
    return situation | {"owed": desk.by_flow("take_outbox", worker="w", kinds="{deliver_decision}")}


def _settle_with_a_guess(desk: Desk, situation: Situation) -> None:
    desk.by_flow("settle_outbox", id=situation["owed"]["id"], lease_token=str(uuid.uuid4()), outcome="done")


def _settle_as_a_person(desk: Desk, situation: Situation) -> None:
    owed = situation["owed"]
    desk.by(desk.rita, "settle_outbox", id=owed["id"], lease_token=owed["lease_token"], outcome="done")


def _take_again(desk: Desk, situation: Situation) -> None:
    if desk.by_flow("take_outbox", worker="another", kinds="{deliver_decision}") is None:
        raise Thwarted("nothing is handed out twice")


def _person_writes(statement: str, *more: Any) -> Any:
    def strike(desk: Desk, situation: Situation) -> None:
        written(desk, "authenticated", desk.rita, statement, *(person(desk) for person in more))

    return strike


def _key_writes(statement: str, *more: Any) -> Any:
    def strike(desk: Desk, situation: Situation) -> None:
        written(desk, "service_role", None, statement, *(person(desk) for person in more))

    return strike


def _ben(desk: Desk) -> str:
    return desk.ben.id


ATTACKS = [
    Attack(
        "a person approves by a direct write",
        waiting,
        _person_writes(_APPROVE, _ben),
        "permission denied",
        (no_right("authenticated", "update", "approvals"),),
    ),
    Attack(
        "the service key approves by a direct write",
        waiting,
        _key_writes(_APPROVE, _ben),
        "permission denied",
        (no_right("service_role", "update", "approvals"),),
    ),
    Attack(
        "an approval that nobody gave, written by the schema's owner",
        waiting,
        lambda desk, s: as_owner(desk, "update public.approvals set status = 'approved'"),
        "decided_by_somebody",
        (rule("alter table public.approvals drop constraint decided_by_somebody"),),
    ),
    Attack(
        "a person votes in another's name by a direct write",
        waiting,
        _person_writes(_VOTE, _ben),
        "permission denied",
        (no_right("authenticated", "insert", "approval_votes"),),
    ),
    Attack(
        "the service key votes in a person's name",
        waiting,
        _key_writes(_VOTE, _ben),
        "permission denied",
        (no_right("service_role", "insert", "approval_votes"),),
    ),
    Attack(
        "a vote is taken out of the record, with the rights of the schema's owner",
        decided,
        lambda desk, s: as_owner(desk, "delete from public.approval_votes"),
        "only grows",
        (rule("drop trigger approval_votes_only_grow on public.approval_votes"),),
    ),
    Attack(
        "the audit log is rewritten, with the rights of the schema's owner",
        decided,
        lambda desk, s: as_owner(
            desk, "update public.audit_log set actor_name = 'Ben' where action = 'approval.approved'"
        ),
        "only grows",
        (rule("drop trigger audit_log_only_grows on public.audit_log"),),
    ),
    Attack(
        "the service key rewrites the audit log (two defences: no right, and the log only grows)",
        decided,
        _key_writes("update public.audit_log set actor_name = 'Ben' where action = 'approval.approved'"),
        "permission denied",
        (
            no_right("service_role", "update", "audit_log"),
            rule("drop trigger audit_log_only_grows on public.audit_log"),
        ),
    ),
    Attack(
        "a person forges a delivery",
        waiting,
        _person_writes(_OWE),
        "permission denied",
        (no_right("authenticated", "insert", "outbox"),),
    ),
    Attack(
        "a person forges leave to act (two defences: no right, and a guard they may not call)",
        decided,
        _person_writes(_FORGED_ACT),
        "permission denied",
        (
            no_right("authenticated", "insert", "action_runs"),
            rule("grant execute on all functions in schema private to authenticated"),
        ),
    ),
    Attack(
        "a person who knows the lease settles a delivery",
        _taken,
        _settle_as_a_person,
        "permission denied",
        (rule("grant execute on function public.settle_outbox to authenticated"),),
    ),
    Attack(
        "a lease token is guessed",
        _taken,
        _settle_with_a_guess,
        "lost_lease",
        (Line("public.settle_outbox", "owed.lease_token is distinct from settle_outbox.lease_token or"),),
    ),
    Attack(
        "one delivery is handed to two workers",
        _taken,
        _take_again,
        "nothing is handed out twice",
        (Line("public.take_outbox", "and (o.lease_until is null or o.lease_until <= now())"),),
    ),
    Attack(
        "a responder takes a delivery back as if it were other work",
        decided,
        lambda desk, s: desk.by(desk.rita, "withdraw_outbox", id=s["delivery"], reason="oops"),
        "not_withdrawable",
        (Line("public.withdraw_outbox", "if owed.kind = 'deliver_decision' then", "if false then"),),
    ),
]
