"""The incident's page through the life of a run."""

from __future__ import annotations

import re
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.domain.action import ActionRun
from dashboard.domain.execution import Escalation, LogLine
from dashboard.domain.incident import Incident, SubmitReceipt
from dashboard.domain.powers import Change, Command
from dashboard.domain.role import Role
from dashboard.errors import IncidentScribeError, NotFound, StaleVersion, UpstreamUnreachable
from dashboard.kestra_api.observation import LogSnapshot, Snapshot, Source
from dashboard.store import cases
from dashboard.store.cases import Case, Colleague, Findings
from dashboard.ui import kestra, session
from tests.app.conftest import Open, person, words
from tests.app.examples import (
    INCIDENT_ID,
    PAUSED_TASKS,
    ago,
    make_analysis,
    make_approval,
    make_command,
    make_event,
    make_execution,
    make_incident,
    make_run,
    make_start,
)

COLLEAGUES = (
    Colleague("11111111-1111-4111-8111-111111111111", "Ana Approver", Role.APPROVER),
    Colleague("33333333-3333-4333-8333-333333333333", "Ben *Bold*", Role.RESPONDER),
)


class Stored:
    """What the store answers about the incident; a test changes what it is about."""

    def __init__(self) -> None:
        self.case = Case(incident=make_incident())
        self.findings = Findings()
        self.done: list[tuple[Any, ...]] = []
        self.refusal: IncidentScribeError | None = None

    def put(self, **fields: Any) -> None:
        self.case = self.case.model_copy(update=fields)

    def found(self, **fields: Any) -> None:
        self.findings = self.findings.model_copy(update=fields)

    def change(self, _: object, seen: Incident, kind: Change, payload: dict[str, Any]) -> None:
        if self.refusal:
            raise self.refusal
        self.done.append((kind.value, seen.version, payload))

    def request(self, _: object, command: Command, subject_id: str, reason: str) -> bool:
        self.done.append((command.value, subject_id, reason))
        return True

    def withdraw(self, _: object, request_id: str, reason: str) -> None:
        self.done.append(("withdraw", request_id, reason))


@pytest.fixture(autouse=True)
def stored(monkeypatch: pytest.MonkeyPatch) -> Stored:
    store = Stored()
    monkeypatch.setattr(cases, "get_case", lambda *_: store.case)
    monkeypatch.setattr(cases, "get_findings", lambda *_: store.findings)
    monkeypatch.setattr(cases, "list_colleagues", lambda *_: COLLEAGUES)
    for name in ("change", "request", "withdraw"):
        monkeypatch.setattr(cases, name, getattr(store, name))
    return store


def test_before_there_is_an_execution_it_is_being_started(
    open_page: Open, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored.put(requests=(make_start(),))
    text = words(open_page("incident", id=INCIDENT_ID))
    assert re.search(r"Being started since (\d+ s|just)", text)
    assert "could not be started" not in text


def test_a_start_that_fails_says_why_and_that_it_goes_on(
    open_page: Open, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = make_start(attempts=4, last_error="Kestra cannot be reached.", stuck_since=ago(10))
    stored.put(requests=(stuck,))
    text = words(open_page("incident", id=INCIDENT_ID))
    assert "Kestra cannot be reached." in text
    assert "after 4 tries so far. Stuck since" in text


def test_a_running_execution_shows_its_steps_and_how_old_the_news_is(
    open_page: Open, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored.put(runs=(make_run(),))
    execution = make_execution("PAUSED", *PAUSED_TASKS)
    monkeypatch.setattr(kestra, "watch", lambda _: Snapshot(execution, ago(1), Source.STREAMED, None, 3))
    lines = (LogLine(at=ago(5), level="WARN", message="a *starred* line", task_id="ai_agent_analyze"),)
    monkeypatch.setattr(kestra, "logs", lambda _: LogSnapshot(lines, ago(1)))
    app = open_page("incident", id=INCIDENT_ID)
    labels = [str(getattr(expander, "label", "")) for expander in app.get("expander")]
    assert any("Wait for a decision" in label and "Waiting for a decision" in label for label in labels)
    assert any("HIGH branch" in label and "not taken" in label for label in labels)
    text = words(app)
    assert "just now, streamed" in text
    assert any("WARN  [Analyse the cause] a *starred* line" in block.value for block in app.code)
    assert app.get("plotly_chart")


def test_the_head_of_what_waits_says_so_once(open_page: Open, stored: Stored) -> None:
    stored.put(runs=(make_run(state="PAUSED", step="require_approval_medium"),))
    text = words(open_page("incident", id=INCIDENT_ID))
    assert "\nWaiting for a decision.\n" in text
    assert "Waiting for a decision: " not in text


def test_what_was_found_and_decided_stands_beside_it(
    open_page: Open, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored.put(runs=(make_run(),))
    stored.found(analysis=make_analysis())
    stored.put(approvals=(make_approval(),))
    text = words(open_page("incident", id=INCIDENT_ID))
    assert "waiting for a decision" in text
    assert "Restart payment-api (instances: 2)." in text  # on what
    assert "The database pool of payment-api is exhausted" in text
    assert "**3 times** `Connection timeout: pool exhausted`" in text
    assert "Taken out before the model saw anything: 2 e-mail addresses." in text


@pytest.mark.parametrize(
    ("status", "verified", "said"),
    [
        ("acted", True, "done and verified"),
        ("acted", False, "done, but its effect was not seen"),
        ("failed", None, "did not happen"),
        ("unknown", None, "may or may not have happened"),
    ],
)
def test_nothing_says_done_that_was_not_done(
    open_page: Open,
    stored: Stored,
    monkeypatch: pytest.MonkeyPatch,
    status: str,
    verified: bool | None,
    said: str,
) -> None:
    stored.put(runs=(make_run(state="WARNING", ended_at=ago(5)),))
    run = ActionRun(
        id="a",
        incident_id=INCIDENT_ID,
        action_key="1",
        title="Restart payment-api",
        status=status,
        verified=verified,
        begun_at=ago(9),
    )
    stored.found(action_runs=(run,))
    text = words(open_page("incident", id=INCIDENT_ID))
    assert said in text
    assert ("done and verified" in text) == (verified is True)


def test_a_failure_says_which_step_why_what_is_saved_and_what_to_do(
    open_page: Open, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored.put(runs=(make_run(state="FAILED", ended_at=ago(5), problem="The model did not answer in time."),))
    failed = make_execution("FAILED", ("open_run", "SUCCESS"), ("ai_agent_analyze", "FAILED"))
    monkeypatch.setattr(kestra, "watch", lambda _: Snapshot(failed, ago(5), Source.POLLED, None, 3))
    app = open_page("incident", id=INCIDENT_ID)
    said = app.error[0].value
    assert "**Analyse the cause**" in said
    assert "The model did not answer in time." in said
    assert "are saved" in said
    app.button(key="failure_run_again").click().run()
    assert "A new run starts from the first step" in words(app)


def test_without_kestra_the_flows_own_report_is_shown(
    open_page: Open, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored.put(runs=(make_run(),))
    error = UpstreamUnreachable("Kestra", "Kestra cannot be reached.")
    monkeypatch.setattr(kestra, "watch", lambda _: Snapshot(error=error))
    monkeypatch.setattr(kestra, "logs", lambda _: LogSnapshot(error=error))
    text = words(open_page("incident", id=INCIDENT_ID))
    assert "Kestra cannot be reached." in text
    assert "Last reported step: Analyse the cause." in text
    assert "from the flow's own reports" in text


def test_when_supabase_goes_away_the_page_keeps_what_it_knew(
    open_page: Open, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored.put(runs=(make_run(),))
    app = open_page("incident", id=INCIDENT_ID)

    def fail(*_: object) -> None:
        raise UpstreamUnreachable("Supabase", "Supabase cannot be reached.")

    monkeypatch.setattr(cases, "get_case", fail)
    text = words(app.run())
    assert "Shown is what was known just now" in text
    assert "Payments time out" in text


def test_a_twin_says_since_when_it_is_open_and_how_often_it_was_seen(open_page: Open) -> None:
    app = open_page("incident", id=INCIDENT_ID)
    app.session_state["joined"] = SubmitReceipt(
        incident_id=INCIDENT_ID, external_id="INC-1", joined=True, occurrences=3, opened_at=ago(720)
    )
    text = words(app.run())
    assert "Already open since 12 min ago" in text
    assert "seen 3 times" in text


def test_an_escalation_nobody_could_be_told_of_says_so(
    open_page: Open, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored.put(runs=(make_run(),))
    lonely = Escalation(id="e", incident_id=INCIDENT_ID, reason="HIGH", told_nobody=True, created_at=ago(3))
    stored.found(escalations=(lonely,))
    assert "Nobody could be told" in words(open_page("incident", id=INCIDENT_ID))


def test_somebody_elses_incident_is_not_there(
    open_page: Open, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: object) -> None:
        raise NotFound("There is no such incident, or it belongs to another organization.")

    monkeypatch.setattr(cases, "get_case", missing)
    app = open_page("incident", id=INCIDENT_ID)
    assert not app.title
    assert "There is no such incident" in words(app)


def press(app: AppTest, key: str) -> AppTest:
    return app.button(key=key).click().run()


def buttons(app: AppTest) -> dict[str, bool]:
    """The buttons about the incident, and whether each can be pressed."""
    found = {str(button.key): not button.disabled for button in app.button}
    return {key.removeprefix("do_"): on for key, on in found.items() if key.startswith("do_")}


class TestWhatOneCanDo:
    def test_a_run_at_work_can_be_killed_and_the_rest_says_why_not(
        self, open_page: Open, stored: Stored
    ) -> None:
        stored.put(runs=(make_run(),))
        app = open_page("incident", id=INCIDENT_ID)
        state = buttons(app)
        assert all(state[name] for name in ("acknowledge", "note", "assign", "resolve", "kill"))
        assert not any(state[name] for name in ("reopen", "restart", "run_again"))
        assert "A run is at work or about to start: kill it first." in words(app)

    def test_a_viewer_sees_everything_and_presses_nothing(
        self, open_page: Open, stored: Stored, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(session, "current_user", lambda: person(Role.VIEWER, "Vera Viewer"))
        stored.put(runs=(make_run(),), requests=(make_command(),))
        app = open_page("incident", id=INCIDENT_ID)
        assert not any(buttons(app).values())
        assert "acting needs a responder" in words(app)
        assert not [button for button in app.button if str(button.key).startswith("withdraw")]

    def test_while_supabase_is_away_nothing_can_be_pressed(
        self, open_page: Open, stored: Stored, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        app = open_page("incident", id=INCIDENT_ID)

        def fail(*_: object) -> None:
            raise UpstreamUnreachable("Supabase", "Supabase cannot be reached.")

        monkeypatch.setattr(cases, "get_case", fail)
        app.run()
        assert not any(buttons(app).values())
        assert "Nothing can be changed until it answers again." in words(app)

    def test_acknowledging_takes_one_press(self, open_page: Open, stored: Stored) -> None:
        press(open_page("incident", id=INCIDENT_ID), "do_acknowledge")
        assert stored.done == [("acknowledge", 1, {})]

    def test_a_note_is_kept_until_it_is_stored(self, open_page: Open, stored: Stored) -> None:
        stored.refusal = UpstreamUnreachable("Supabase", "Supabase cannot be reached.")
        app = press(open_page("incident", id=INCIDENT_ID), "do_note")
        field = f"text_note_{INCIDENT_ID}"
        app.text_area(key=field).input("See change 4711.")
        press(app, "dialog_do")
        assert app.text_area(key=field).value == "See change 4711."
        assert "Supabase cannot be reached." in words(app)
        stored.refusal = None
        press(app, "dialog_do")
        assert stored.done == [("note", 1, {"text": "See change 4711."})]
        assert not [area for area in app.text_area if area.key == field], "the dialog is still open"
        assert app.toast[0].value == "The note is on record."

    def test_who_was_faster_is_named_and_the_choice_is_kept(self, open_page: Open, stored: Stored) -> None:
        app = press(open_page("incident", id=INCIDENT_ID), "do_assign")
        app.selectbox(key=f"text_assign_{INCIDENT_ID}").select(COLLEAGUES[1].user_id)
        stored.refusal = StaleVersion("It changed.", by="Ada Admin")
        stored.put(incident=make_incident(version=4))
        stored.found(events=(make_event("assigned", "Ada Admin", to="Eve"),))
        press(app, "dialog_do")
        assert "Ada Admin gave it to Eve" in words(app)
        stored.refusal = None
        press(app, "dialog_do")
        assert stored.done == [("assign", 4, {"user_id": COLLEAGUES[1].user_id})]

    def test_people_are_offered_oneself_first_and_as_plain_text(self, open_page: Open) -> None:
        app = press(open_page("incident", id=INCIDENT_ID), "do_assign")
        options = app.selectbox(key=f"text_assign_{INCIDENT_ID}").options
        assert options == ["Ana Approver (you), approver", "Ben *Bold*, responder"]

    def test_a_kill_is_confirmed_knowing_what_it_does_not_undo(self, open_page: Open, stored: Stored) -> None:
        stored.put(runs=(make_run(),))
        app = press(open_page("incident", id=INCIDENT_ID), "do_kill")
        assert not stored.done
        assert "nothing is taken back" in words(app)
        app.text_area(key=f"text_kill_{INCIDENT_ID}").input("Wrong service")
        press(app, "dialog_do")
        assert stored.done == [("kill", make_run().id, "Wrong service")]

    def test_raising_the_severity_says_what_it_sets_going(self, open_page: Open, stored: Stored) -> None:
        app = press(open_page("incident", id=INCIDENT_ID), "do_severity")
        assert app.button(key="dialog_do").disabled
        app.segmented_control(key=f"text_severity_{INCIDENT_ID}").set_value("HIGH").run()
        assert "a new run starts" in words(app)
        press(app, "dialog_do")
        assert stored.done == [("severity", 1, {"severity": "HIGH"})]

    def test_cancelling_does_nothing(self, open_page: Open, stored: Stored) -> None:
        stored.put(runs=(make_run(),))
        app = press(open_page("incident", id=INCIDENT_ID), "do_kill")
        press(app, "dialog_cancel")
        assert not stored.done
        assert not [button for button in app.button if button.key == "dialog_do"]


class TestRequests:
    @pytest.mark.parametrize(
        ("fields", "run", "said"),
        [
            ({}, {}, "being delivered"),
            (
                {"attempts": 3, "last_error": "Kestra cannot be reached."},
                {},
                "not delivered yet] after 3 tries: Kestra cannot be reached.",
            ),
            ({"status": "done", "settled_at": ago(2)}, {}, "the run is stopping"),
            ({"status": "done", "settled_at": ago(2)}, {"state": "KILLED", "ended_at": ago(1)}, "done]"),
            (
                {"status": "done", "detail": {"note": "It had ended before the kill: Succeeded."}},
                {"state": "SUCCESS", "ended_at": ago(1)},
                "without effect] It had ended before the kill",
            ),
            ({"status": "withdrawn", "last_error": "Withdrawn by Ana: wrong one"}, {}, "taken back]"),
        ],
    )
    def test_a_kill_shows_how_far_it_is(
        self, open_page: Open, stored: Stored, fields: dict[str, Any], run: dict[str, Any], said: str
    ) -> None:
        stored.put(runs=(make_run(**run),), requests=(make_command(**fields),))
        text = words(open_page("incident", id=INCIDENT_ID))
        assert "**Kill** asked for by Ana Approver" in text
        assert said in text

    def test_what_is_on_its_way_can_be_taken_back_with_a_reason(
        self, open_page: Open, stored: Stored
    ) -> None:
        command = make_command()
        stored.put(runs=(make_run(),), requests=(command,))
        app = press(open_page("incident", id=INCIDENT_ID), f"withdraw_{command.id}")
        app.text_area(key=f"text_withdraw_{INCIDENT_ID}").input("Mistaken")
        press(app, "dialog_do")
        assert stored.done == [("withdraw", command.id, "Mistaken")]


def test_what_happened_is_told_people_first_with_repeated_reports_on_demand(
    open_page: Open, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored.found(
        events=(
            make_event("submitted", "Rita Responder"),
            make_event("run_started", "flow"),
            make_event("seen_again", "Ben", number=7),
        )
    )
    app = open_page("incident", id=INCIDENT_ID)
    assert "**Ben** reported it again" in words(app)
    assert "began a run" not in words(app)
    app.toggle(key="all_events").set_value(True).run()
    assert "**flow** began a run" in words(app)


def test_earlier_runs_keep_their_ends(open_page: Open, stored: Stored) -> None:
    earlier = make_run(kestra_execution_id="older", state="KILLED", ended_at=ago(60), step="ai_agent_analyze")
    stored.put(runs=(make_run(), earlier))
    app = open_page("incident", id=INCIDENT_ID)
    assert any("Earlier runs (1)" in str(getattr(block, "label", "")) for block in app.get("expander"))
    assert "At the step Analyse the cause." in words(app)


def test_an_analysis_of_an_earlier_run_says_so(open_page: Open, stored: Stored) -> None:
    stored.put(runs=(make_run(),))
    stored.found(analysis=make_analysis(kestra_execution_id="older"))
    assert "This is from an earlier run" in words(open_page("incident", id=INCIDENT_ID))


def test_kestras_own_page_is_linked_only_where_it_has_an_address(
    open_page: Open, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored.put(runs=(make_run(),))
    assert not open_page("incident", id=INCIDENT_ID).get("link_button")
    monkeypatch.setattr(kestra, "page_of", lambda found: f"https://kestra.example/ui/{found}")
    link = open_page("incident", id=INCIDENT_ID).get("link_button")[0]
    assert link.proto.url.endswith(make_run().kestra_execution_id)


def test_a_log_that_matches_nothing_is_not_an_empty_log(
    open_page: Open, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored.put(runs=(make_run(),))
    lines = tuple(LogLine(at=ago(5), level="DEBUG", message="quiet") for _ in range(3))
    monkeypatch.setattr(kestra, "logs", lambda _: LogSnapshot(lines, ago(1)))
    app = open_page("incident", id=INCIDENT_ID)
    assert "quiet" in words(app)
    app.segmented_control(key="log_level").set_value("INFO").run()
    assert "No line from INFO up matches; 3 lines are hidden" in words(app)
    monkeypatch.setattr(kestra, "logs", lambda _: LogSnapshot((), ago(1)))
    assert "has not logged anything yet" in words(app.run())


def test_a_recorded_end_is_never_taken_back_by_what_was_seen_before(
    open_page: Open, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored.put(runs=(make_run(state="KILLED", ended_at=ago(1)),))
    seen = make_execution("RUNNING", ("open_run", "SUCCESS"), ("ai_agent_analyze", "RUNNING"))
    monkeypatch.setattr(kestra, "watch", lambda _: Snapshot(seen, ago(40), Source.POLLED, None, 3))
    text = words(open_page("incident", id=INCIDENT_ID))
    assert ":red-badge[:material/stop_circle: Killed]" in text


def test_hostile_text_stays_text_wherever_it_comes_from(
    open_page: Open, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    evil = "![x](https://evil.example/a) [go](https://evil.example) :red[loud] <b>bold</b> $x$"
    stored.put(
        incident=make_incident(title=evil, service=evil, needs_human=True, needs_human_reason=evil),
        runs=(make_run(state="FAILED", ended_at=ago(5), problem=evil, requested_by_name=evil),),
        requests=(make_command(requested_by_name=evil, last_error=evil),),
    )
    stored.found(
        events=(make_event("note", evil, text=evil),),
        escalations=(
            Escalation(id="e", incident_id=INCIDENT_ID, reason=evil, told=(evil,), created_at=ago(3)),
        ),
    )
    app = open_page("incident", id=INCIDENT_ID)
    kinds = ("title", "subheader", "markdown", "caption", "warning", "error")
    drawn = [str(element.value) for kind in kinds for element in app.get(kind)]  # type: ignore[union-attr]
    assert any("evil.example" in text for text in drawn)
    for text in drawn:
        assert "](http" not in text, text
        assert ":red[loud" not in text, text
        assert "<b>" not in text.replace("\\<b", ""), text


def test_a_killed_run_says_where_it_was_and_who_asked_for_it(
    open_page: Open, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    payload = {
        "command": "kill",
        "kestra_execution_id": make_run().kestra_execution_id,
        "reason": "Wrong *one*",
    }
    stored.put(
        runs=(make_run(state="KILLED", ended_at=ago(1), step="finish_run"),),
        requests=(make_command(status="done", settled_at=ago(2), payload=payload),),
    )
    tasks = (*PAUSED_TASKS[:3], ("ai_agent_decision_branch", "KILLED"), ("require_approval_medium", "KILLED"))
    killed = make_execution("KILLED", *tasks, ("finish_run", "SUCCESS"))
    monkeypatch.setattr(kestra, "watch", lambda _: Snapshot(killed, ago(1), Source.STREAMED, None, 3))
    said = open_page("incident", id=INCIDENT_ID).error[0].value
    assert "It was stopped at the step **Wait for a decision**" in said
    assert "Ana Approver asked for it: Wrong \\*one\\*" in said
