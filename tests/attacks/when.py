"""When: deadlines, clocks, and decisions that were given already."""

from typing import Any

from tests.attacks.attempt import (
    Attack,
    Line,
    Situation,
    approved,
    begun,
    changed,
    decided,
    edited,
    no_right,
    waiting,
    withdrawn,
    written,
)
from tests.sql.desk import Desk

_WITHDRAW = "public.withdraw_decision"
_OVER = (
    "if incident.status in ('resolved', 'closed') or not execution.owns"
    " or execution.kill_requested_at is not null then"
)
_IS_OVER = Line(_WITHDRAW, _OVER, "if false then")


def _late(desk: Desk) -> Situation:
    situation = waiting(desk)
    desk.rows("update approvals set deadline_at = now() - interval '1 second' returning 1")
    return situation


def _expired_and_the_clock_set_back(desk: Desk) -> Situation:
    situation = _late(desk)
    desk.by_flow("expire_approvals")
    desk.rows("update approvals set deadline_at = now() + interval '1 hour' returning 1")
    return situation


def _decided_at(moment: str) -> Any:
    def prepare(desk: Desk) -> Situation:
        situation = decided(desk)
        desk.rows(f"update approvals set decided_at = {moment} returning 1")
        return situation

    return prepare


def _begun(desk: Desk) -> Situation:
    situation = decided(desk)
    begun(desk, situation["execution"])
    return situation


def _taken(desk: Desk) -> Situation:
    situation = decided(desk)
    owed = desk.by_flow("take_outbox", worker="w", kinds="{deliver_decision}")
    return situation | {"owed": owed}


def _delivered(desk: Desk) -> Situation:
    situation = _taken(desk)
    owed = situation["owed"]
    desk.by_flow("settle_outbox", id=owed["id"], lease_token=owed["lease_token"], outcome="done")
    return situation


def _resolved(desk: Desk) -> Situation:
    situation = decided(desk)
    changed(desk, desk.rita, situation["incident"], "resolve")
    return situation


def _replaced(desk: Desk) -> Situation:
    situation = decided(desk)
    changed(desk, desk.rita, situation["incident"], "severity", severity="HIGH")
    return situation


def _ana_withdraws(desk: Desk, situation: Situation) -> None:
    withdrawn(desk, desk.ana, situation["approval"])


def _ana_decides(desk: Desk, situation: Situation) -> None:
    approved(desk, desk.ana, situation["approval"])


def _begin(desk: Desk, situation: Situation) -> None:
    begun(desk, situation["execution"])


ATTACKS = [
    Attack(
        "a click after the deadline, before anybody noticed",
        _late,
        _ana_decides,
        "expired",
        (Line("public.decide_approval", "clock_timestamp() >= approval.deadline_at", "false"),),
    ),
    Attack(
        "an edit after the deadline makes new time",
        _late,
        lambda desk, s: edited(desk, desk.ana, s["approval"]),
        "expired",
        (Line("public.edit_proposal", "clock_timestamp() >= old.deadline_at", "false"),),
    ),
    Attack(
        "the clock is set back after it expired",
        _expired_and_the_clock_set_back,
        _ana_decides,
        "not_pending",
        (Line("private.refuse_decided", "elsif approval.status <> 'pending' then", "elsif false then"),),
    ),
    Attack(
        "the clock is set back after the approval, so that it stays fresh",
        _decided_at("now() + interval '30 hours'"),
        _begin,
        "the clock of the database was set back",
        (Line("private.refusal", "approval.decided_at > clock_timestamp() + interval '1 minute'", "false"),),
    ),
    Attack(
        "an approval of the day before yesterday is carried out",
        _decided_at("now() - interval '25 hours'"),
        _begin,
        "older than 24 hours",
        (Line("private.refusal", "approval.decided_at < now() - interval '24 hours'", "false"),),
    ),
    Attack(
        "a person moves the deadline",
        waiting,
        lambda desk, s: written(
            desk,
            "authenticated",
            desk.ana,
            "update public.approvals set deadline_at = now() + interval '1 year'",
        ),
        "permission denied",
        (no_right("authenticated", "update (deadline_at)", "approvals"),),
    ),
    Attack(
        "a second person approves what was rejected",
        lambda desk: decided(desk, "rejected"),
        lambda desk, s: approved(desk, desk.ben, s["approval"]),
        "already_decided",
        (
            Line(
                "private.refuse_decided",
                "if approval.status in ('approved', 'rejected') then",
                "if approval.status = 'approved' then",
            ),
            Line(
                "private.refuse_decided",
                "elsif approval.status <> 'pending' then",
                "elsif approval.status <> 'rejected' then",
            ),
        ),
    ),
    Attack(
        "a decision is withdrawn after its action was begun",
        _begun,
        _ana_withdraws,
        "An action was begun",
        (Line(_WITHDRAW, "r.execution_id = old.execution_id", "false"),),
    ),
    Attack(
        "a decision is withdrawn while it is being delivered",
        _taken,
        _ana_withdraws,
        "being_delivered",
        (Line(_WITHDRAW, "if owed.lease_until > clock_timestamp() then", "if false then"),),
    ),
    Attack(
        "a decision is withdrawn after it was delivered (two defences: the approval and the outbox say so)",
        _delivered,
        _ana_withdraws,
        "delivered",
        (
            Line(_WITHDRAW, "old.delivered_at is not null or"),
            Line(_WITHDRAW, "if owed.status = 'done' then", "if false then"),
        ),
    ),
    Attack(
        "a withdrawal reopens an incident that somebody resolved",
        _resolved,
        _ana_withdraws,
        "The incident is resolved",
        (_IS_OVER,),
    ),
    Attack(
        "a withdrawal has people decide for a run that another one replaced",
        _replaced,
        _ana_withdraws,
        "Another run took the place",
        (_IS_OVER,),
    ),
]
