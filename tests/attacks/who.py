"""Who decides: the role, the organization, four eyes in all its forms, and votes."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg

from tests.attacks.attempt import (
    Attack,
    Line,
    Situation,
    approved,
    changed,
    decided,
    edited,
    newest,
    no_right,
    rule,
    waiting,
    withdrawn,
    written,
)
from tests.sql.desk import Desk
from tests.support.until import until

_OBJECTION = "private.objection_about"
_DECIDE = "public.decide_approval"
_VOTES = "private.votes_that_count"
_COUNTED = Line(_VOTES, "and (private.objection(approval, p)).code is null")


def _eyes(condition: str) -> Line:
    """One of the conditions of four eyes."""
    return Line(
        _OBJECTION, f"elsif not approval.self_approval_allowed and {condition} then", "elsif false then"
    )


_SUBMITTED = _eyes("person.user_id = incident.submitted_by")
_ASKED = _eyes("person.user_id = approval.requested_by")


def _foreign(desk: Desk) -> Situation:
    return waiting(desk) | {"other": Desk(desk.url, "globex")}


def _named_viewer(desk: Desk) -> Situation:
    desk.configure("services", desk.service, approver_ids=[desk.vera.id])
    return waiting(desk)


def _asked_again(desk: Desk) -> Situation:
    first = desk.submit(severity="MEDIUM")
    desk.by_flow("finish_run", kestra_execution_id=desk.claim(first), state="FAILED")
    again = desk.by(desk.ana, "request_command", kind="run_again", id=first["incident_id"], reason="Again.")
    execution = desk.claim({"run_id": again["command_id"]})
    desk.analysed(execution)
    desk.by_flow("request_approval", kestra_execution_id=execution)
    return {"approval": newest(desk)}


def _raised_before_the_claim(desk: Desk) -> Situation:
    made = desk.submit(severity="LOW")
    changed(desk, desk.ana, made["incident_id"], "severity", severity="MEDIUM")
    desk.by_flow("request_approval", kestra_execution_id=desk.claim(made))
    return {"approval": newest(desk)}


def _restarted(desk: Desk) -> Situation:
    execution = desk.claim(desk.submit())
    desk.by_flow("finish_run", kestra_execution_id=execution, state="FAILED")
    row = str(desk.row("select id from executions")["id"])
    desk.by(desk.ana, "request_command", kind="restart", id=row, reason="Once more.")
    desk.by_flow("request_approval", kestra_execution_id=execution)
    return {"approval": newest(desk)}


def _edited(desk: Desk) -> Situation:
    return {"approval": edited(desk, desk.ana, waiting(desk)["approval"])}


def _edited_and_decided(desk: Desk) -> Situation:
    situation = _edited(desk)
    desk.decide(desk.ben, situation["approval"])
    return situation


def _named(desk: Desk) -> Situation:
    desk.configure("services", desk.service, approver_ids=[desk.ben.id])
    return waiting(desk)


def _switched_off(desk: Desk) -> Situation:
    situation = waiting(desk)
    desk.by(desk.ada, "change_person", user_id=desk.ana.id, active=False)
    return situation


def _two_needed(desk: Desk) -> Situation:
    desk.configure("services", desk.service, approvals_required=2)
    situation = waiting(desk)
    desk.decide(desk.ana, situation["approval"])
    return situation


def _voter(**change: Any) -> Any:
    def prepare(desk: Desk) -> Situation:
        situation = _two_needed(desk)
        desk.by(desk.ada, "change_person", user_id=desk.ana.id, **change)
        return situation

    return prepare


def _voted_before_the_edit(desk: Desk) -> Situation:
    return {"approval": edited(desk, desk.ada, _two_needed(desk)["approval"])}


def _own_where_it_is_not_allowed(desk: Desk) -> Situation:
    return waiting(desk, desk.ada)


def _ana_decides(desk: Desk, situation: Situation) -> None:
    approved(desk, desk.ana, situation["approval"])


def _behind_a_second_editor(desk: Desk, situation: Situation) -> None:
    approved(desk, desk.ana, edited(desk, desk.ben, situation["approval"], []))


def _after_a_withdrawal(desk: Desk, situation: Situation) -> None:
    approved(desk, desk.ana, withdrawn(desk, desk.ben, situation["approval"]))


def _ben_decides(desk: Desk, situation: Situation) -> None:
    approved(desk, desk.ben, situation["approval"])


def _demoted_while_the_click_waits(desk: Desk, situation: Situation) -> None:
    """The click has passed the door and waits for the incident when the role is taken away."""
    waits = "select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    with psycopg.connect(desk.url) as holder, ThreadPoolExecutor(1) as pool:
        holder.execute("select from public.incidents for update")
        click = pool.submit(_ana_decides, desk, situation)
        until(lambda: desk.rows(waits), "the click waits", every=0.01)
        desk.by(desk.ada, "change_person", user_id=desk.ana.id, role="responder")
        holder.rollback()
        click.result(10)


def _switch_on_and_decide(desk: Desk, situation: Situation) -> None:
    desk.by(desk.ada, "change_organization", payload={"self_approval_allowed": True})
    approved(desk, desk.ada, situation["approval"])


def _flow_in_a_persons_name(desk: Desk, situation: Situation) -> None:
    claims = {"role": "service_role", "sub": desk.ana.id}
    approval = situation["approval"]
    desk.as_role(
        "service_role",
        claims,
        "select public.decide_approval(%s, 'approved', 'x', %s)",
        [approval["id"], approval["content_hash"]],
    )


_NO_ADMIN = Line(
    "private.administrator", "private.require_role('admin')", "private.require_role('viewer')", 2
)

ATTACKS = [
    Attack(
        "somebody of another organization decides (two defences: not found, and no vote)",
        _foreign,
        lambda desk, s: approved(desk, s["other"].ana, s["approval"]),
        "not_found",
        (
            Line("private.visible_approval", "and a.organization_id = me.organization_id"),
            Line(_VOTES, "and p.organization_id = approval.organization_id"),
        ),
    ),
    Attack(
        "a responder decides",
        lambda desk: waiting(desk) | {"rob": desk.person("Rob", "responder")},
        lambda desk, s: approved(desk, s["rob"], s["approval"]),
        "not_approver",
        (Line(_OBJECTION, "private.role_rank(person.role) < private.role_rank(needed)", "false"),),
    ),
    Attack(
        "a viewer whom a rule names decides",
        _named_viewer,
        lambda desk, s: approved(desk, desk.vera, s["approval"]),
        "not_allowed",
        (Line(_DECIDE, "private.require_role('responder')", "private.require_role('viewer')", 2),),
    ),
    Attack(
        "the flow's key decides in a person's name",
        waiting,
        _flow_in_a_persons_name,
        "permission denied",
        (rule("grant execute on function public.decide_approval to service_role"),),
    ),
    Attack(
        "who submitted it decides (two defences: the submitter also asked for the run)",
        lambda desk: waiting(desk, desk.ana),
        _ana_decides,
        "four_eyes",
        (_SUBMITTED, _ASKED),
    ),
    Attack("who asked for the run decides", _asked_again, _ana_decides, "four_eyes", (_ASKED,)),
    Attack(
        "who raised the severity before the run began decides",
        _raised_before_the_claim,
        _ana_decides,
        "four_eyes",
        (_eyes("person.user_id = any (incident.raised_by)"),),
    ),
    Attack(
        "who had the failed run restarted decides",
        _restarted,
        _ana_decides,
        "four_eyes",
        (Line(_OBJECTION, "and o.requested_by = person.user_id", "and false"),),
    ),
    Attack(
        "the editor decides",
        _edited,
        _ana_decides,
        "four_eyes",
        (_eyes("person.user_id = any (approval.editors)"),),
    ),
    Attack(
        "the editor decides behind a second editor",
        _edited,
        _behind_a_second_editor,
        "four_eyes",
        (Line("public.edit_proposal", "unnest(old.editors || me.user_id)", "unnest(array[me.user_id])"),),
        frozenset({"approvals", "incidents", "audit_log"}),
    ),
    Attack(
        "the editor decides once another person's decision was withdrawn",
        _edited_and_decided,
        _after_a_withdrawal,
        "four_eyes",
        (
            Line(
                "public.withdraw_decision",
                "old.nothing_to_carry_out, old.editors,",
                "old.nothing_to_carry_out, '{}',",
            ),
        ),
        frozenset({"approvals", "incidents", "outbox", "audit_log"}),
    ),
    Attack(
        "an admin decides who is not among the people named",
        _named,
        lambda desk, s: approved(desk, desk.ada, s["approval"]),
        "not_approver",
        (Line(_OBJECTION, "not person.user_id = any (service.approver_ids)", "false"),),
    ),
    Attack(
        "a person who was switched off decides (two defences: at the door and in the rule)",
        _switched_off,
        _ana_decides,
        "inactive",
        (
            Line("private.require_role", "or not me.active"),
            Line(_OBJECTION, "if not person.active then", "if false then"),
        ),
    ),
    Attack(
        "a click that waits outlives the role it was made with (two defences: asked again, and no vote)",
        waiting,
        _demoted_while_the_click_waits,
        "not_approver",
        (
            Line(
                _DECIDE,
                "me := private.require_role('responder'); perform private.refuse_decided",
                "perform private.refuse_decided",
            ),
            _COUNTED,
        ),
        frozenset({"profiles", "audit_log"}),
    ),
    Attack(
        "one person votes twice where two are needed (two defences: the check and the constraint)",
        _two_needed,
        _ana_decides,
        "already_voted",
        (
            Line(_DECIDE, "v.approval_id = approval.id and v.voter_id = me.user_id", "false"),
            rule("alter table public.approval_votes drop constraint approval_votes_said_once"),
        ),
    ),
    Attack(
        "the vote of a person who was switched off in between is counted",
        _voter(active=False),
        _ben_decides,
        "still pending",
        (_COUNTED,),
        frozenset({"approval_votes", "audit_log"}),
    ),
    Attack(
        "the vote of a person whose role was taken away in between is counted",
        _voter(role="responder"),
        _ben_decides,
        "still pending",
        (_COUNTED,),
        frozenset({"approval_votes", "audit_log"}),
    ),
    Attack(
        "a vote for the text before an edit counts for the edited one (two defences: approval and hash)",
        _voted_before_the_edit,
        _ben_decides,
        "still pending",
        (
            Line(
                _VOTES,
                "where v.approval_id = approval.id and v.decision = 'approved'"
                " and v.content_hash = approval.content_hash",
                "where v.approval_id in ("
                "select a.id from public.approvals a where a.execution_id = approval.execution_id)"
                " and v.decision = 'approved'",
            ),
        ),
        frozenset({"approval_votes", "audit_log"}),
    ),
    Attack(
        "a responder makes themselves an approver by a direct write",
        waiting,
        lambda desk, s: written(
            desk,
            "authenticated",
            desk.rita,
            "update public.profiles set role = 'approver' where user_id = %s",
            desk.rita.id,
        ),
        "permission denied",
        (no_right("authenticated", "update (role)", "profiles"),),
    ),
    Attack(
        "an approver moves to the organization whose incident waits (two defences: no right, not their rows)",
        _foreign,
        lambda desk, s: written(
            desk,
            "authenticated",
            s["other"].ana,
            "update public.profiles set organization_id = %s where user_id = %s",
            desk.organization,
            s["other"].ana.id,
        ),
        "permission denied",
        (
            no_right("authenticated", "update (organization_id)", "profiles"),
            rule(
                'alter policy "people see the people of their organization" on public.profiles using (true)'
            ),
        ),
    ),
    Attack(
        "self-approval is switched on by a direct write",
        waiting,
        lambda desk, s: written(
            desk, "authenticated", desk.ana, "update public.organizations set self_approval_allowed = true"
        ),
        "permission denied",
        (no_right("authenticated", "update (self_approval_allowed)", "organizations"),),
    ),
    Attack(
        "an approver switches self-approval on",
        waiting,
        lambda desk, s: desk.by(desk.ana, "change_organization", payload={"self_approval_allowed": True}),
        "not_allowed",
        (_NO_ADMIN,),
    ),
    Attack(
        "an approver makes an accomplice an approver",
        waiting,
        lambda desk, s: desk.by(desk.ana, "change_person", user_id=desk.rita.id, role="approver"),
        "not_allowed",
        (_NO_ADMIN,),
    ),
    Attack(
        "an admin switches self-approval on while their own proposal waits",
        _own_where_it_is_not_allowed,
        _switch_on_and_decide,
        "four_eyes",
        (
            Line(
                _OBJECTION,
                "not approval.self_approval_allowed",
                "not (select o.self_approval_allowed from public.organizations o"
                " where o.id = incident.organization_id)",
                5,
            ),
        ),
        frozenset({"organizations", "audit_log"}),
    ),
    Attack(
        "somebody withdraws another person's decision",
        decided,
        lambda desk, s: withdrawn(desk, desk.ben, s["approval"]),
        "not_approver",
        (Line("public.withdraw_decision", "old.decided_by is distinct from me.user_id", "false"),),
    ),
    Attack(
        "somebody edits what they may not decide on",
        waiting,
        lambda desk, s: edited(desk, desk.rita, s["approval"]),
        "not_approver",
        (Line("public.edit_proposal", "if objection.code is not null and not", "if false and not"),),
    ),
]
