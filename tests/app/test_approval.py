"""The decision's page: what would happen, who may decide, what becomes of a press."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dashboard.domain.approval import Decision, DecisionReceipt, Precedents
from dashboard.domain.powers import Command
from dashboard.errors import (
    AlreadyDecided,
    FourEyes,
    IncidentScribeError,
    ReasonRequired,
    UpstreamUnreachable,
)
from dashboard.store import approvals, audit, cases, executions, incidents, postmortems, services
from dashboard.store.audit import Entry
from dashboard.store.executions import Owed
from dashboard.store.people import Role
from dashboard.ui import session
from dashboard.worker import bell
from tests.app.conftest import Open, person, words
from tests.app.examples import (
    APPROVAL_ID,
    INCIDENT_ID,
    ago,
    make_analysis,
    make_approval,
    make_incident,
    make_proposal_text,
    make_rule,
    make_start,
    make_waiting,
)

Row = dict[str, Any]


def away(*_: object, **__: object) -> None:
    """Supabase as it is while it cannot be reached."""
    raise UpstreamUnreachable("Supabase", "Supabase cannot be reached.")


@pytest.fixture
def row(monkeypatch: pytest.MonkeyPatch) -> Row:
    """The fields of the stored approval, which a decision may change."""
    fields: Row = {}
    monkeypatch.setattr(approvals, "get_approval", lambda *_: make_approval(**fields))
    monkeypatch.setattr(approvals, "get_rule", lambda *_: make_rule())
    about = {INCIDENT_ID: make_incident(status="awaiting_approval")}
    monkeypatch.setattr(incidents, "find_incidents", lambda *_: about)
    monkeypatch.setattr(postmortems, "find_analysis", lambda *_: make_analysis())
    return fields


@pytest.fixture
def decided(monkeypatch: pytest.MonkeyPatch, row: Row) -> list[tuple[object, ...]]:
    """What reached the database; a decision is stored as the database does it."""
    calls: list[tuple[object, ...]] = []

    def decide(_: object, *arguments: Any) -> DecisionReceipt:
        calls.append(arguments)
        row.update(status=arguments[1].value, decided_by_name="Ana Approver", decided_at=ago(0))
        row.update(decision_reason=arguments[2] or None)
        return DecisionReceipt(approval_id=APPROVAL_ID, status=arguments[1].value)

    monkeypatch.setattr(approvals, "decide", decide)
    return calls


@pytest.mark.usefixtures("row")
def test_the_page_shows_what_would_be_sent_to_the_letter(open_page: Open) -> None:
    app = open_page("approval", id=APPROVAL_ID)
    assert [heading.value for heading in app.subheader] == [
        "1. What happens if I approve",
        "2. Why",
        "3. If it goes wrong",
        "4. What was decided before",
        "5. Decide",
    ]
    text = words(app)
    assert "POST http://127.0.0.1:8091/services/payment-api/restart" in text
    assert '{"instances": 2}' in text
    assert "`instances` = `2`" in text
    assert "low risk" in text
    assert "Restart again with the former number of instances." in text
    assert make_approval().content_hash in text
    assert "**Approve**: Restart payment-api (instances: 2)." in text
    assert app.button(key="decide_approve").label == "Approve: Restart payment\\-api"
    assert "It waits for a decision. Asked for by Rita Responder 1 min ago" in text


def test_a_press_decides_on_the_hash_that_was_seen_and_wakes_the_worker(
    open_page: Open, decided: list[tuple[object, ...]]
) -> None:
    bell.wait(0)
    app = open_page("approval", id=APPROVAL_ID)
    app.text_area(key=f"reason_{APPROVAL_ID}").input(" pool is dead ")
    app.button(key="decide_approve").click().run()
    assert decided == [(APPROVAL_ID, Decision.APPROVED, "pool is dead", make_approval().content_hash)]
    assert bell.wait(0)
    text = words(app)
    assert "Ana Approver approved this just now" in text
    assert "being delivered" in text
    assert "5. Decide" not in text


def test_a_rejection_without_a_reason_is_refused_at_the_field(
    open_page: Open, row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise ReasonRequired("A rejection needs a reason.")

    monkeypatch.setattr(approvals, "decide", refuse)
    app = open_page("approval", id=APPROVAL_ID)
    app.button(key="decide_reject").click().run()
    assert "A rejection needs a reason." in words(app)
    assert app.button(key="decide_reject")


def test_the_loser_of_a_race_reads_who_decided_what_when_and_why(
    open_page: Open, row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_late(*_: object) -> None:
        row.update(
            status="rejected",
            decided_by_name="Ada Admin",
            decided_at=ago(1),
            decision_reason="The cause is elsewhere.",
        )
        raise AlreadyDecided("Ada Admin rejected this at 2026-11-24 06:00:00 UTC.", by="Ada Admin")

    monkeypatch.setattr(approvals, "decide", too_late)
    app = open_page("approval", id=APPROVAL_ID)
    app.button(key="decide_approve").click().run()
    text = words(app)
    assert "Ada Admin rejected this at 2026-11-24 06:00:00 UTC." in text
    assert "Reason: The cause is elsewhere." in text
    assert not [button for button in app.button if button.key == "decide_approve"]


def test_who_may_not_decide_is_told_before_typing(
    open_page: Open, row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = make_rule(may_decide=False, why_not="You submitted this incident; somebody else has to decide.")
    monkeypatch.setattr(approvals, "get_rule", lambda *_: rule)
    app = open_page("approval", id=APPROVAL_ID)
    text = words(app)
    assert "You submitted this incident; somebody else has to decide." in text
    assert "Who may decide: Ada Admin, Ana Approver." in text
    assert not app.text_area


def test_what_would_be_touched_is_said(open_page: Open, row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    service = services.Service(
        id="s",
        name="payment-api",
        owner="Team [Pay](https://evil.example)",
        tier=1,
        description="Takes cards.",
    )
    monkeypatch.setattr(services, "find_service", lambda *_: service)
    app = open_page("approval", id=APPROVAL_ID)
    [line] = [each.value for each in app.markdown if each.value.startswith("Blast radius")]
    assert "[Pay](" not in line
    assert "payment-api, tier 1, owned by Team [Pay](https" in words(app)
    assert "Takes cards." in words(app)


def test_where_two_must_approve_the_votes_are_shown_and_who_approved_may_only_reject(
    open_page: Open, row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = [make_rule(required=2)]
    monkeypatch.setattr(approvals, "get_rule", lambda *_: rules[-1])
    app = open_page("approval", id=APPROVAL_ID)
    assert "0 of 2 have approved" in words(app)
    assert app.button(key="decide_approve").label == "Approve: vote 1 of 2"

    vote = {"voter_name": "Ana *Approver*", "reason": "The pool is dead.", "at": "2026-11-24T06:00:00Z"}
    rules.append(make_rule(required=2, votes=[vote], has_approved=True))
    app.run()
    text = words(app)
    assert "1 of 2 have approved" in text
    assert "Ana *Approver*, 2026-11-24 06:00:00 UTC: The pool is dead." in text
    assert "You may still reject it" in text
    assert app.button(key="decide_approve").disabled
    assert not app.button(key="decide_reject").disabled


@pytest.mark.parametrize("lost", ["away", "signed out"])
def test_a_press_that_nobody_could_be_behind_says_so(
    open_page: Open, decided: list[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    app = open_page("approval", id=APPROVAL_ID)
    asked: list[None] = []

    def at_the_press() -> session.CurrentUser | None:
        asked.append(None)
        if len(asked) > 1:
            return person()
        if lost == "away":
            raise UpstreamUnreachable("Supabase", "Supabase does not answer.")
        return None

    monkeypatch.setattr(session, "current_user", at_the_press)
    app.button(key="decide_approve").click().run()
    assert not decided
    assert {"away": "Supabase does not answer.", "signed out": "You are signed out."}[lost] in words(app)
    assert "5. Decide" in words(app)


def test_a_right_lost_in_between_is_said(open_page: Open, row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise FourEyes("Supabase", "You asked for this run; somebody else has to decide.", status=403)

    monkeypatch.setattr(approvals, "decide", refuse)
    app = open_page("approval", id=APPROVAL_ID)
    app.button(key="decide_approve").click().run()
    assert "You asked for this run" in words(app)


def test_with_nothing_to_carry_out_the_button_says_so(open_page: Open, row: Row) -> None:
    row["proposal_text"] = make_proposal_text(
        nothing_to_carry_out=True, actions=[], problems=["No action fits."]
    )
    app = open_page("approval", id=APPROVAL_ID)
    assert app.button(key="decide_approve").label == "Approve: write the plan"
    assert "carry nothing out, write the plan." in words(app)
    assert "No action fits." in words(app)


def test_a_proposal_the_desk_cannot_read_is_shown_as_stored(open_page: Open, row: Row) -> None:
    row["proposal_text"] = '{"version": 99}'
    app = open_page("approval", id=APPROVAL_ID)
    assert not app.exception
    assert '{"version": 99}' in words(app)


def test_nobody_approves_what_the_desk_cannot_read_but_it_can_be_rejected(
    open_page: Open, decided: list[tuple[object, ...]], row: Row
) -> None:
    row["proposal_text"] = '{"version": 99}'
    app = open_page("approval", id=APPROVAL_ID)
    text = words(app)
    assert "cannot read how this would be undone" in text
    assert "nothing to undo" not in text
    assert app.button(key="decide_approve").disabled
    assert "Nobody approves here what the desk cannot read." in text
    app.text_area(key=f"reason_{APPROVAL_ID}").input("unreadable")
    app.button(key="decide_reject").click().run()
    assert [call[1] for call in decided] == [Decision.REJECTED]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"status": "expired", "cause": "Nobody decided in time."}, "Cause: Nobody decided in time."),
        ({"status": "cancelled", "cause": "The run was killed."}, "Cause: The run was killed."),
        (
            {
                "status": "approved",
                "decided_by_name": "Ada Admin",
                "decided_at": "2026-11-24T06:00:00Z",
                "delivered_at": "2026-11-24T06:00:01Z",
                "outcome": "unknown",
            },
            "It may or may not have happened: check the service.",
        ),
    ],
)
def test_afterwards_the_page_is_the_record(open_page: Open, row: Row, fields: Row, said: str) -> None:
    row.update(fields)
    app = open_page("approval", id=APPROVAL_ID)
    assert said in words(app)
    assert not app.text_area


def test_a_delivery_that_does_not_get_through_says_why(
    open_page: Open, row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    row.update(status="approved", decided_by_name="Ada Admin", decided_at=ago(90))
    waiting = make_start(kind="deliver_decision", last_error="Kestra cannot be reached.")
    monkeypatch.setattr(executions, "find_delivery", lambda *_: waiting)
    text = words(open_page("approval", id=APPROVAL_ID))
    assert "being delivered" in text
    assert "Last try: Kestra cannot be reached." in text


def test_a_press_while_supabase_is_away_keeps_the_page_and_the_reason(
    open_page: Open, row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page("approval", id=APPROVAL_ID)

    for module, name in ((approvals, "decide"), (approvals, "get_approval"), (incidents, "find_incidents")):
        monkeypatch.setattr(module, name, away)
    app.text_area(key=f"reason_{APPROVAL_ID}").input("pool is dead")
    app.button(key="decide_approve").click().run()
    assert "Supabase cannot be reached." in words(app)
    assert app.text_area(key=f"reason_{APPROVAL_ID}").value == "pool is dead"


def test_while_supabase_is_away_the_buttons_are_off_and_say_why(
    open_page: Open, row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page("approval", id=APPROVAL_ID)
    with monkeypatch.context() as outage:
        outage.setattr(approvals, "get_approval", away)
        text = words(app.run())
        assert app.button(key="decide_approve").disabled
        assert app.button(key="decide_reject").disabled
        assert "nothing can be changed just now. What you typed stays." in text
    app.session_state.silent_upstream = (None, None)
    app.run()
    assert not app.button(key="decide_approve").disabled


class TestHighRisk:
    @pytest.fixture(autouse=True)
    def risky(self, row: Row) -> None:
        proposal = json.loads(make_proposal_text())
        proposal["actions"][0]["risk"] = "high"
        row["proposal_text"] = json.dumps(proposal)

    def test_approving_needs_the_name_of_the_service(
        self, open_page: Open, decided: list[tuple[object, ...]]
    ) -> None:
        app = open_page("approval", id=APPROVAL_ID)
        app.button(key="decide_approve").click().run()
        assert not decided
        assert "type payment-api above to approve it" in words(app)
        app.text_input(key=f"word_{APPROVAL_ID}").input("payment-api")
        app.button(key="decide_approve").click().run()
        assert [call[1] for call in decided] == [Decision.APPROVED]

    def test_rejecting_needs_no_word(self, open_page: Open, decided: list[tuple[object, ...]]) -> None:
        app = open_page("approval", id=APPROVAL_ID)
        app.text_area(key=f"reason_{APPROVAL_ID}").input("too much")
        app.button(key="decide_reject").click().run()
        assert [call[1] for call in decided] == [Decision.REJECTED]


def test_what_was_decided_before_is_counted_and_shown(
    open_page: Open, row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    past = {
        "id": INCIDENT_ID,
        "external_id": "INC-7",
        "title": "Pool exhausted in May",
        "status": "approved",
        "decided_at": ago(9_000_000),
        "decided_by_name": "Ada Admin",
        "outcome": "acted",
        "incident_status": "resolved",
    }
    found = Precedents.model_validate({"count": 1, "approved": 1, "acted": 1, "decisions": [past]})
    monkeypatch.setattr(approvals, "get_precedents", lambda *_: found)
    text = words(open_page("approval", id=APPROVAL_ID))
    assert "Decided once before: 1 approved, 1 carried out." in text
    assert "Pool exhausted in May" in text
    assert "INC-7, now resolved" in text


def test_the_way_to_what_else_waits_for_me(
    open_page: Open, row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after = (make_waiting(id=f"{digit * 8}-7425-40de-944b-e07fc1f90ae7") for digit in "ab")
    others = make_waiting(id=INCIDENT_ID, may_decide=False)
    monkeypatch.setattr(approvals, "list_waiting", lambda _: (before, make_waiting(), others, after))
    app = open_page("approval", id=APPROVAL_ID)
    assert "2 of 3 that wait for you" in words(app)
    assert {"Previous", "Next"} <= {link.label for link in app.get("page_link")}


class TestNewRun:
    @pytest.fixture(autouse=True)
    def cancelled(self, row: Row) -> None:
        row.update(status="cancelled", cause="The run was killed.")

    def test_what_came_to_nothing_offers_a_new_run(
        self, open_page: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[tuple[object, ...]] = []
        monkeypatch.setattr(cases, "request", lambda _, *what: asked.append(what))
        app = open_page("approval", id=APPROVAL_ID)
        app.button(key="new_run").click().run()
        assert asked == [(Command.RUN_AGAIN, INCIDENT_ID, "")]
        assert "A new run was asked for" in words(app)

    def test_while_supabase_is_away_it_is_off_and_says_why(
        self, open_page: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        app = open_page("approval", id=APPROVAL_ID)
        monkeypatch.setattr(approvals, "get_approval", away)
        button = app.run().button(key="new_run")
        assert button.disabled
        assert "nothing can be changed just now" in button.help

    def test_a_viewer_is_not_offered_one(self, open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(session, "current_user", lambda: person(Role.VIEWER, "Vera Viewer"))
        app = open_page("approval", id=APPROVAL_ID)
        assert not [button for button in app.button if button.key == "new_run"]

    def test_where_another_took_its_place_it_is_linked(
        self, open_page: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(approvals, "find_successor", lambda *_: INCIDENT_ID)
        app = open_page("approval", id=APPROVAL_ID)
        assert "What took its place" in {link.label for link in app.get("page_link")}
        assert not [button for button in app.button if button.key == "new_run"]


@pytest.mark.usefixtures("row")
def test_who_was_told_and_who_else_has_looked_is_said_quietly(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = make_approval()

    def look(name: str, minutes: int, actor: str, text: str = shown.content_hash) -> Entry:
        return Entry(
            id=minutes,
            at=ago(60 * minutes),
            actor_id=actor,
            actor_name=name,
            action="approval.seen",
            subject_kind="approvals",
            subject_id=APPROVAL_ID,
            detail={"content_hash": text},
        )

    def notice(event: str, channel: str, **fields: Any) -> Owed:
        payload = {"event": event, "channel": channel, "to": fields.pop("to", []), "approval_id": APPROVAL_ID}
        base = {"id": event, "kind": "notice", "status": "done", "payload": payload, "detail": {}}
        return Owed.model_validate(base | {"created_at": ago(540), "settled_at": ago(490)} | fields)

    entries = (
        look("Ana Approver", 1, person().person.user_id),
        look("Ben *B*", 3, "b"),
        look("Ada Admin", 5, "a", text="another version"),
    )
    monkeypatch.setattr(audit, "list_entries", lambda *_, **__: (entries, False))
    notices = (
        notice("waiting", "email", to=["ana@demo.example", "ben@demo.example"]),
        notice("reminded", "slack", status="owed", settled_at=None, last_error="404"),
    )
    monkeypatch.setattr(executions, "list_notices", lambda *_: notices)
    said = words(open_page("approval", id=APPROVAL_ID))
    assert "Told: that it waits, by e-mail to 2 people, 8 min ago; a reminder, by Slack, not sent yet" in said
    assert "it does not get through" in said
    assert "Looked at by Ben *B* 3 min ago" in said  # letter by letter
    assert "Ada Admin 5 min ago" not in said
    assert "Ana Approver 1 min ago" not in said


@pytest.mark.parametrize(
    ("answer", "status", "decided_by", "is_told"),
    [
        (UpstreamUnreachable("Supabase", "No answer."), "approved", person().person.user_id, True),
        (AlreadyDecided("Approved by Ana.", by="Ana"), "approved", person().person.user_id, True),
        (AlreadyDecided("Approved by Ben.", by="Ben"), "approved", "somebody else", False),
        (AlreadyDecided("Rejected by Ana.", by="Ana"), "rejected", person().person.user_id, False),
    ],
)
def test_a_decision_whose_answer_was_lost_is_said_to_have_arrived(
    open_page: Open,
    row: Row,
    monkeypatch: pytest.MonkeyPatch,
    answer: IncidentScribeError,
    status: str,
    decided_by: str,
    is_told: bool,
) -> None:
    def decide(*_: object) -> DecisionReceipt:
        row.update(status=status, decided_by=decided_by, decided_by_name="Whoever", decided_at=ago(0))
        raise answer

    monkeypatch.setattr(approvals, "decide", decide)
    app = open_page("approval", id=APPROVAL_ID)
    app.button(key="decide_approve").click().run()
    assert ("only the answer to it was lost" in words(app)) is is_told
    assert (answer.what in words(app)) is not is_told
