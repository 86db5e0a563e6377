"""What is approved: the text that was shown, within the catalogue, and no other."""

import json
from typing import Any

from tests.attacks.attempt import (
    Attack,
    Line,
    Situation,
    Thwarted,
    approved,
    as_owner,
    begun,
    decided,
    edited,
    newest,
    no_right,
    proposal,
    rule,
    waiting,
    written,
)
from tests.sql.desk import ANALYSIS, Desk

_DECIDE = "public.decide_approval"
_HASH = "if content_hash is distinct from approval.content_hash"
_COUNTED_BY_HASH = Line("private.votes_that_count", "and v.content_hash = approval.content_hash")
_TEXT_IS_HASHED = rule("alter table public.approvals drop constraint hash_is_of_the_text")
_HASH_AT_THE_ACT = Line(
    "private.refusal",
    "when approval.content_hash <> encode(sha256(convert_to(approval.proposal_text, 'UTF8')), 'hex')",
    "when false",
)
_VOTE_AT_THE_ACT = Line("private.refusal", "and v.content_hash = approval.content_hash")


def _with_hash(change: Any) -> Any:
    def strike(desk: Desk, situation: Situation) -> None:
        approval = situation["approval"]
        approved(desk, desk.ana, approval, content_hash=change(approval["content_hash"]))

    return strike


def _six_instances(desk: Desk, situation: Situation, statement: str) -> None:
    """Rewrites what was approved as two into six, and carries it out."""
    as_owner(desk, statement, situation["approval"]["id"])
    sent(desk, situation, "6")


def sent(desk: Desk, situation: Situation, instances: str) -> None:
    """Leave to send another number of instances than the two that were approved."""
    body = json.loads(begun(desk, situation["execution"])["request"]["body"])
    if str(body["instances"]) != instances:
        raise Thwarted(f"what was approved is sent: {body}")


_TWO, _SIX = '"instances": 2', '"instances": 6'
_MORE = f"replace(replace(proposal_text, '{_TWO}', '{_SIX}'), 'instances\\\": 2', 'instances\\\": 6')"
_REWRITTEN = f"update public.approvals set proposal_text = {_MORE} where id = %s"
_REWRITTEN_WITH_HASH = (
    f"update public.approvals set proposal_text = {_MORE},"
    f" content_hash = encode(sha256(convert_to({_MORE}, 'UTF8')), 'hex') where id = %s"
)


def _ask_again(desk: Desk, situation: Situation) -> None:
    more = [{"action": "restart_service", "parameters": [{"name": "instances", "value": "6"}]}]
    desk.by_flow("request_approval", kestra_execution_id=situation["execution"], proposal=more)
    if newest(desk)["id"] == situation["approval"]["id"]:
        raise Thwarted("the first proposal stands")


def _analyse_again(desk: Desk, situation: Situation) -> None:
    other = json.loads(json.dumps(ANALYSIS))
    other["proposed_actions"][0]["parameters"][0]["value"] = "6"
    desk.analysed(situation["execution"], other)
    sent(desk, situation, "6")


def _catalogue_changed(desk: Desk) -> Situation:
    situation = decided(desk)
    action = desk.row("select request from actions")["request"] | {"url": "http://127.0.0.1:1/attacker"}
    desk.configure("actions", desk.action, request=json.dumps(action), version=2)
    return situation


def _sent_elsewhere(desk: Desk, situation: Situation) -> None:
    url = begun(desk, situation["execution"])["request"]["url"]
    if not url.endswith("/attacker"):
        raise Thwarted(f"what was approved is sent: {url}")


def _taken_out_of_the_catalogue(desk: Desk) -> Situation:
    situation = decided(desk)
    desk.configure("actions", desk.action, active=False)
    return situation


def _another_service(desk: Desk) -> Situation:
    desk.new_service("billing-api")
    desk.new_action(
        "billing-api",
        **desk.row(
            "select 'drop_queue' as key, title, description, parameters, request, verify, risk,"
            " expected_effect, rollback from actions"
        ),
    )
    return waiting(desk)


def _superseded(desk: Desk) -> Situation:
    situation = waiting(desk)
    edited(desk, desk.ana, situation["approval"])
    return situation


ATTACKS = [
    Attack(
        "a page that shows another text decides (two defences: at the click and at the count)",
        waiting,
        _with_hash(lambda _: "0" * 64),
        "stale_content",
        (Line(_DECIDE, _HASH, "if false"), _COUNTED_BY_HASH),
    ),
    Attack(
        "a hash that only begins like the proposal's decides",
        waiting,
        _with_hash(lambda right: right[:8] + "0" * 56),
        "stale_content",
        (
            Line(_DECIDE, _HASH, "if left(content_hash, 8) is distinct from left(approval.content_hash, 8)"),
            _COUNTED_BY_HASH,
        ),
    ),
    Attack(
        "the hash in capital letters decides",
        waiting,
        _with_hash(str.upper),
        "stale_content",
        (
            Line(_DECIDE, _HASH, "if lower(content_hash) is distinct from approval.content_hash"),
            _COUNTED_BY_HASH,
        ),
    ),
    Attack(
        "no hash at all decides (three defences: the comparison, the count, the column)",
        waiting,
        _with_hash(lambda _: None),
        "stale_content",
        (
            Line(_DECIDE, _HASH, "if content_hash <> approval.content_hash"),
            _COUNTED_BY_HASH,
            rule("alter table public.approval_votes alter column content_hash drop not null"),
        ),
    ),
    Attack(
        "the stored text is rewritten under its hash (two defences: the constraint, and at the act)",
        decided,
        lambda desk, s: _six_instances(desk, s, _REWRITTEN),
        "hash_is_of_the_text",
        (_TEXT_IS_HASHED, _HASH_AT_THE_ACT),
    ),
    Attack(
        "stored text and hash are both rewritten",
        decided,
        lambda desk, s: _six_instances(desk, s, _REWRITTEN_WITH_HASH),
        "Nobody approved this text",
        (_VOTE_AT_THE_ACT,),
        frozenset({"approvals"}),
    ),
    Attack(
        "the stored text becomes the same JSON in other letters",
        waiting,
        lambda desk, s: as_owner(
            desk, "update public.approvals set proposal_text = proposal_text::jsonb::text"
        ),
        "hash_is_of_the_text",
        (_TEXT_IS_HASHED,),
    ),
    Attack(
        "the stored text becomes the same words in another normal form of Unicode",
        lambda desk: waiting(desk, title="Caf\u00e9 is closed"),
        lambda desk, s: as_owner(
            desk,
            "update public.approvals set proposal_text = normalize(proposal_text, NFD)"
            " where proposal_text is NFC normalized",
        ),
        "hash_is_of_the_text",
        (_TEXT_IS_HASHED,),
    ),
    Attack(
        "the service key rewrites the proposal",
        waiting,
        lambda desk, s: written(desk, "service_role", None, _REWRITTEN_WITH_HASH, s["approval"]["id"]),
        "permission denied",
        (no_right("service_role", "update", "approvals"),),
    ),
    Attack(
        "the flow asks a second time with more, once the first was approved",
        decided,
        _ask_again,
        "the first proposal stands",
        (Line("public.request_approval", "if approval.id is null then", "if true then"),),
    ),
    Attack(
        "the model's answer is replaced after the approval",
        decided,
        _analyse_again,
        "what was approved is sent",
        (
            Line(
                "public.begin_action",
                "actions := approval.proposal_text::jsonb -> 'actions';",
                "select a.proposed_actions into actions from public.ai_analyses a"
                " where a.execution_id = execution.id;",
            ),
        ),
        frozenset({"action_runs", "audit_log"}),
    ),
    Attack(
        "the catalogue's address is changed after the approval",
        _catalogue_changed,
        _sent_elsewhere,
        "what was approved is sent",
        (
            Line(
                "public.begin_action",
                "begin_action.nonce, action -> 'request',",
                "begin_action.nonce,"
                " (select c.request from public.actions c where c.key = action ->> 'action'),",
            ),
        ),
        frozenset({"action_runs", "audit_log"}),
    ),
    Attack(
        "an action runs that was taken out of the catalogue after the approval",
        _taken_out_of_the_catalogue,
        lambda desk, s: begun(desk, s["execution"]),
        "is not in the catalogue",
        (
            Line(
                "public.begin_action",
                "c.key = action ->> 'action' and c.active",
                "c.key = action ->> 'action'",
            ),
        ),
    ),
    Attack(
        "an edit brings in an action of another service",
        _another_service,
        lambda desk, s: edited(desk, desk.ana, s["approval"], proposal(2, "drop_queue")),
        "does not fit the catalogue",
        (Line("private.render_actions", "a.service_id = render_actions.service_id and"),),
    ),
    Attack(
        "an edit brings in a value outside its schema",
        waiting,
        lambda desk, s: edited(desk, desk.ana, s["approval"], proposal(600)),
        "does not fit the catalogue",
        (
            Line(
                "private.typed_parameter",
                "(typed #>> '{}')::numeric > (schema ->> 'maximum')::numeric",
                "false",
            ),
        ),
    ),
    Attack(
        "an edit brings in a parameter that the catalogue does not know",
        waiting,
        lambda desk, s: edited(desk, desk.ana, s["approval"], proposal(3, shell="rm -rf /")),
        "does not fit the catalogue",
        (Line("private.render_action", "if not properties ? name then", "if false then"),),
    ),
    Attack(
        "leave is asked for an action that the proposal does not name",
        decided,
        lambda desk, s: begun(desk, s["execution"], key="drop_database"),
        "is not in the proposal",
        (Line("public.begin_action", "element.value ->> 'key' = begin_action.action_key", "true"),),
    ),
    Attack(
        "a page decides on what was edited in the meantime",
        _superseded,
        lambda desk, s: approved(desk, desk.ben, s["approval"]),
        "not_pending",
        (Line("private.refuse_decided", "elsif approval.status <> 'pending' then", "elsif false then"),),
    ),
    Attack(
        "a rejection without a reason",
        waiting,
        lambda desk, s: desk.decide(desk.ana, s["approval"], "rejected", reason=" "),
        "reason_required",
        (Line(_DECIDE, "if decision = 'rejected' and why is null", "if false"),),
    ),
]
