"""A table of adversities, each met by one run on the real engine; the worker of the desk runs beside them.

Whatever goes wrong: the incident says why, what was known is kept, and nothing happens twice.
"""

import os
from collections.abc import Iterator
from functools import partial

import pytest

from dashboard.worker.loop import Worker
from tests.flow.case import Batch, Case, Story, batch
from tests.flow.handler import TIMED_FLOW, Handler
from tests.support.relay import FOR_EVER
from tests.support.until import until

pytestmark = pytest.mark.engine

# `make endurance` meets every adversity at every place; otherwise each of both is met once at least.
WHOLE = os.environ.get("ENDINGS") == "all"
NO_ANSWER = "the model gave no answer"
# What the model does: what is said of it.
WAYS = {
    "429": NO_ANSWER,
    "500": NO_ANSWER,
    "503": NO_ANSWER,
    "hang": NO_ANSWER,
    "empty": "the model gave no candidate",
    "max_tokens": "the model stopped with MAX_TOKENS",
    "safety": "the model stopped with SAFETY",
    "not_json": "the model's text was not JSON",
    "schema_violation": "the answer violates the schema",
    "html": "the model's answer was not JSON",
}
STEPS = ("analyze", "remediation", "documentation")
MODEL = [
    (step, how) for n, how in enumerate(WAYS) for m, step in enumerate(STEPS) if WHOLE or n % len(STEPS) == m
]
# Function that Supabase does not answer, whatever is tried: the task that fails by it.
SUPABASE = {
    ("record_analysis", "analyze"): "record_analysis",
    ("escalate",): "escalate_high",
    ("record_analysis", "remediation"): "record_remediation",
    ("record_analysis", "documentation"): "record_documentation",
    ("save_analysis",): "save_to_supabase",
}
# Where a run is killed while Supabase takes its time to answer.
HELD = list(SUPABASE) if WHOLE else [("record_analysis", "remediation")]
# What the service does: outcome, whether it happened, and the words for it.
ACTION = {
    "500": ("failed", 0, "HTTP 500"),
    "502": ("unknown", 0, "may or may not have happened"),
    "503": ("failed", 0, "HTTP 503"),
    "hang": ("unknown", 1, "may or may not have happened"),
    "drop": ("unknown", 0, "may or may not have happened"),
    "redirect": ("failed", 0, "HTTP 302"),
    "refused": ("failed", 0, "did not happen"),
    "unverified": ("acted", 1, "its effect could not be seen"),
}


def model_story(step: str, how: str, case: Case) -> None:
    case.model(how, step)
    case.file("HIGH")
    case.reaches("FAILED")


def supabase_story(function: str, step: str, case: Case) -> None:
    """Fails, is restarted in Kestra once Supabase is back, and goes on from there."""
    case.file("HIGH", prepare=lambda: case.supabase(f"rpc/{function}", *([f'"{step}"'] if step else [])))
    case.reaches("FAILED")
    case.failed_with = (case.row["problem"], case.why)
    case.handler.relay.forget(case.execution)
    case.restarted()


def kill_story(function: str, step: str, case: Case) -> None:
    held = case.file_and_hold("HIGH", f"rpc/{function}", *([f'"{step}"'] if step else []))
    case.at(SUPABASE[(function, step) if step else (function,)])
    case.handler.kill(case.execution)
    held.over()
    case.reaches("KILLED")


def action_story(how: str, case: Case) -> None:
    if how == "refused":
        case.catalogue(url="http://127.0.0.1:1/restart")
    elif how == "unverified":
        case.catalogue(verify={"expect": {"status": 418}, "within_seconds": 2})
    else:
        case.catalogue()
        case.action(how, acts=how == "hang")
    case.file("MEDIUM")
    case.decided()
    case.reaches("SUCCESS")


STORIES: dict[str, Story] = {}


def story(play: Story) -> Story:
    STORIES[play.__name__] = play
    return play


@pytest.fixture(scope="module")
def cases(handler: Handler, request: pytest.FixtureRequest) -> Iterator[Batch]:
    table: dict[str, Story] = dict(
        [
            *((f"model {step} {how}", partial(model_story, step, how)) for step, how in MODEL),
            *(
                (f"supabase {' '.join(down)}", partial(supabase_story, down[0], "".join(down[1:])))
                for down in SUPABASE
            ),
            *((f"killed {' '.join(at)}", partial(kill_story, at[0], "".join(at[1:]))) for at in HELD),
            *((f"action {how}", partial(action_story, how)) for how in ACTION),
            *STORIES.items(),
        ]
    )
    with Worker(handler.worker_settings) as worker, batch(handler, table, request) as running:
        worker.start()
        yield running
        worker.stop()


class TestModel:
    @pytest.mark.parametrize(("step", "how"), MODEL)
    def test_its_failure_is_named_and_everything_else_goes_on(
        self, cases: Batch, step: str, how: str
    ) -> None:
        case = cases[f"model {step} {how}"]
        found = case.analysis
        assert found["problem"].startswith(f"{step}: {WAYS[how]}")
        assert list(found["raw"]) == [step]
        others = {"analyze": "root_cause", "remediation": "remediation", "documentation": "documentation"}
        for other, column in others.items():
            assert (found[column] is None) == (other == step), column
        assert found["completed_at"] is not None
        assert found["evidence"]
        assert case.escalations == ["The severity is HIGH: a person decides what is done."]
        assert case.why.startswith(f"The run failed: {found['problem']}")

    def test_it_is_asked_six_times_at_most(self, cases: Batch) -> None:
        assert len(cases["model analyze 429"].prompts("analyze")) == 6

    def test_one_that_is_overloaded_is_asked_again(self, cases: Batch) -> None:
        case = cases["model_is_overloaded"]
        assert case.analysis["problem"] is None
        assert len(case.prompts("remediation")) == 4

    def test_one_that_is_down_leaves_a_pause_with_nothing_to_carry_out(self, cases: Batch) -> None:
        case = cases["model_is_down"]
        assert case.approval["nothing_to_carry_out"] is True
        assert case.analysis["problem"].count(NO_ANSWER) == 3
        assert case.analysis["evidence"]

    def test_without_an_analysis_a_low_incident_is_handed_to_people(self, cases: Batch) -> None:
        case = cases["low_without_analysis"]
        assert (case.actions, case.effects) == ([], 0)
        assert case.escalations == ["There is no usable action."]

    def test_without_an_analysis_a_medium_incident_waits_with_nothing_to_carry_out(
        self, cases: Batch
    ) -> None:
        case = cases["medium_without_analysis"]
        assert case.approval["nothing_to_carry_out"] is True
        assert (case.approval["status"], case.approval["outcome"]) == ("approved", "not_carried_out")
        assert case.effects == 0


@story
def model_is_overloaded(case: Case) -> None:
    case.model("429", "remediation", times=3)
    case.file("CRITICAL")
    case.reaches("SUCCESS")


@story
def model_is_down(case: Case) -> None:
    case.catalogue()
    case.model("500")
    case.file("MEDIUM")
    case.decided()
    case.reaches("FAILED")


@story
def low_without_analysis(case: Case) -> None:
    case.catalogue(auto_remediate=True)
    case.model("not_json", "analyze")
    case.file("LOW")
    case.reaches("FAILED")


@story
def medium_without_analysis(case: Case) -> None:
    case.catalogue()
    case.model("safety", "analyze")
    case.file("MEDIUM")
    case.decided()
    case.reaches("FAILED")


class TestSupabase:
    @pytest.mark.parametrize("down", SUPABASE)
    def test_away_between_two_steps_it_fails_by_name_and_goes_on_when_restarted(
        self, cases: Batch, down: tuple[str, ...]
    ) -> None:
        case = cases[f"supabase {' '.join(down)}"]
        problem, why = case.failed_with
        assert problem.startswith(f"{SUPABASE[down]}: ")
        assert why.startswith(f"The run failed: {SUPABASE[down]}: ")
        assert len(case.escalations) == 1
        assert case.analysis["completed_at"] is not None
        assert case.analysis["documentation"]["timeline"]
        assert case.row["problem"] is None

    def test_away_once_it_is_asked_again(self, cases: Batch) -> None:
        assert cases["claim_needs_a_second_try"].incident["occurrences"] == 1

    def test_away_for_the_claim_a_restart_goes_on_and_it_is_handled_once(self, cases: Batch) -> None:
        case = cases["claim_fails_and_is_restarted"]
        query = "select 1 from escalations where incident_id = %s"
        assert len(case.desk.rows(query, case.incident["id"])) == 1

    def test_an_answer_lost_on_its_way_makes_no_second_incident(self, cases: Batch) -> None:
        case = cases["answer_to_the_claim_is_lost"]
        assert case.row["owns"] is True
        assert case.incident["occurrences"] == 1

    def test_away_while_data_is_collected_the_run_goes_on_without_evidence(self, cases: Batch) -> None:
        case = cases["nothing_can_be_collected"]
        assert case.escalations == ["The severity is HIGH: a person decides what is done."]
        assert case.analysis["completed_at"] is not None
        assert case.incident["needs_human"] is True

    def test_away_for_the_history_only_the_model_is_told(self, cases: Batch) -> None:
        case = cases["neighbours_cannot_be_read"]
        [data] = case.prompts("analyze")
        assert [note.split(" could not be read")[0] for note in data["notes"]] == [
            "Related alerts",
            "The history",
            "The history",
        ]
        assert case.could_not_be_read == ["Related alerts", "The history"]

    def test_away_for_the_catalogue_a_person_reads_why_nothing_is_proposed(self, cases: Batch) -> None:
        case = cases["catalogue_cannot_be_read"]
        assert case.approval["nothing_to_carry_out"] is True
        assert case.could_not_be_read == ["The catalogue of actions"]

    def test_away_for_the_catalogue_for_a_moment_it_is_asked_again(self, cases: Batch) -> None:
        case = cases["catalogue_is_late"]
        assert case.approval["nothing_to_carry_out"] is False
        assert case.could_not_be_read == []

    def test_away_when_the_proposal_is_stored_nothing_waits_and_a_restart_asks(self, cases: Batch) -> None:
        case = cases["proposal_cannot_be_stored"]
        assert case.failed_with[0].startswith("request_approval: ")
        assert (case.approval["status"], case.approval["outcome"]) == ("approved", "acted")
        assert case.effects == 1

    def test_away_at_the_end_the_worker_reports_it(self, cases: Batch) -> None:
        case = cases["end_cannot_be_reported"]
        assert case.reported_by == ["worker"]
        assert case.incident["needs_human"] is True

    def test_away_after_the_pause_nothing_is_carried_out_and_the_approval_says_so(self, cases: Batch) -> None:
        case = cases["away_after_the_pause"]
        assert (case.actions, case.effects) == ([], 0)
        assert (case.approval["status"], case.approval["outcome"]) == ("approved", "not_carried_out")
        assert case.why.startswith("The run failed")

    def test_leave_whose_answer_is_lost_is_fetched_again_and_acts_once(self, cases: Batch) -> None:
        case = cases["leave_is_lost"]
        assert [action["status"] for action in case.actions] == ["acted"]
        assert case.effects == 1

    def test_an_outcome_that_cannot_be_reported_is_unknown_and_never_repeated(self, cases: Batch) -> None:
        case = cases["outcome_cannot_be_reported"]
        assert [action["status"] for action in case.actions] == ["unknown"]
        assert (case.approval["outcome"], case.effects) == ("unknown", 1)
        assert "may or may not have happened" in case.why


@story
def claim_needs_a_second_try(case: Case) -> None:
    case.supabase("rpc/open_run", how="500", times=1)
    case.file("HIGH")
    case.reaches("SUCCESS")


@story
def claim_fails_and_is_restarted(case: Case) -> None:
    down = case.supabase("rpc/open_run")
    case.file("HIGH")
    until(lambda: case.handler.state(case.execution) == "FAILED", "the claim has failed", 240, 0.5)
    down.over()
    case.handler.restart(case.execution)
    case.reaches("SUCCESS")
    # The worker may have been quicker than the restart: then another run has it.
    query = (
        "select 1 from executions e join incidents i on i.id = e.incident_id"
        " where i.external_id = %s and e.owns and e.ended_at is not null"
    )
    until(lambda: case.desk.rows(query, case.name), "one run has handled it", 240, 0.5)


@story
def answer_to_the_claim_is_lost(case: Case) -> None:
    case.supabase("rpc/open_run", how="lost", times=1)
    case.file("HIGH")
    case.reaches("SUCCESS")


@story
def nothing_can_be_collected(case: Case) -> None:
    case.file("HIGH", prepare=lambda: case.supabase("rpc/record_analysis", '"aggregate"', how="503"))
    case.reaches("WARNING")


@story
def neighbours_cannot_be_read(case: Case) -> None:
    submitted = case.desk.submit(**case.payload("HIGH"))
    case.handler.relay.down("/incidents", f"neq.{submitted['incident_id']}")
    case.started(submitted)
    case.reaches("SUCCESS")


def _without_catalogue(case: Case, times: int) -> None:
    case.catalogue()
    service = case.desk.row("select id from services where name = %s", case.service)["id"]
    case.handler.relay.down("/actions", f"service_id=eq.{service}", times=times)
    case.file("MEDIUM")
    case.reaches("PAUSED")


@story
def catalogue_cannot_be_read(case: Case) -> None:
    _without_catalogue(case, FOR_EVER)


@story
def catalogue_is_late(case: Case) -> None:
    _without_catalogue(case, 3)


@story
def proposal_cannot_be_stored(case: Case) -> None:
    case.catalogue()
    case.file("MEDIUM", prepare=lambda: case.supabase("rpc/request_approval"))
    case.reaches("FAILED")
    case.failed_with = (case.row["problem"], case.why)
    case.handler.relay.forget(case.execution)
    case.handler.restart(case.execution)
    case.decided()
    case.reaches("SUCCESS")


@story
def end_cannot_be_reported(case: Case) -> None:
    case.file("HIGH", prepare=lambda: case.supabase("rpc/finish_run"))
    case.reaches("SUCCESS")


@story
def away_after_the_pause(case: Case) -> None:
    case.catalogue()
    case.file("MEDIUM")
    case.reaches("PAUSED")
    case.supabase()
    case.decided()
    case.reaches("FAILED")


@story
def leave_is_lost(case: Case) -> None:
    case.catalogue()
    case.file("MEDIUM", prepare=lambda: case.supabase("rpc/begin_action", how="lost", times=2))
    case.decided()
    case.reaches("SUCCESS")


@story
def outcome_cannot_be_reported(case: Case) -> None:
    case.catalogue()
    case.file("MEDIUM", prepare=lambda: case.supabase("rpc/finish_action"))
    case.decided()
    case.reaches("WARNING")


class TestAction:
    @pytest.mark.parametrize("how", ACTION)
    def test_its_outcome_is_what_is_known_and_it_is_never_repeated(self, cases: Batch, how: str) -> None:
        case = cases[f"action {how}"]
        outcome, effects, words = ACTION[how]
        assert [(action["status"], action["verified"] is True) for action in case.actions] == [
            (outcome, False)
        ]
        assert (case.approval["outcome"], case.effects) == (outcome, effects)
        assert words in case.approval["outcome_reason"]
        assert words in case.why
        assert case.incident["status"] == "investigating"
        done = [item["text"] for item in case.analysis["evidence"] if item["kind"] == "action"]
        assert len(done) == 1
        assert words in done[0]


class TestKill:
    @pytest.mark.parametrize(
        "name",
        [
            "killed_at_the_claim",
            "killed_in_the_script",
            "killed_at_the_model",
            "killed_in_the_pause",
            *(f"killed {' '.join(at)}" for at in HELD),
        ],
    )
    def test_whenever_it_is_killed_the_incident_says_so_and_nothing_is_done(
        self, cases: Batch, name: str
    ) -> None:
        case = cases[name]
        # At the claim either of the two can be first.
        before_its_claim = "Its run was killed in Kestra before it could claim the incident"
        killed = "The run was killed in Kestra; nobody asked for that at this desk."
        assert case.why.startswith((killed, before_its_claim) if name == "killed_at_the_claim" else killed)
        assert (case.actions, case.effects) == ([], 0)
        assert case.incident["status"] == "investigating"

    def test_killed_in_the_pause_its_approval_is_cancelled_with_the_cause(self, cases: Batch) -> None:
        approval = cases["killed_in_the_pause"].approval
        assert approval["status"] == "cancelled"
        assert "killed in Kestra" in approval["cause"]

    def test_killed_in_the_act_its_outcome_is_unknown(self, cases: Batch) -> None:
        case = cases["killed_in_the_act"]
        assert [action["status"] for action in case.actions] == ["unknown"]
        assert (case.approval["outcome"], case.effects) == ("unknown", 1)
        assert case.incident["needs_human"] is True

    def test_killed_between_two_tries_it_stays_killing_and_the_worker_ends_it(
        self, handler: Handler, cases: Batch
    ) -> None:
        case = cases["killed_between_two_tries"]
        assert handler.state(case.execution) == "KILLING"
        assert case.row["state"] == "KILLED"
        assert case.reported_by == ["worker"]
        assert case.analysis["remediation"]["steps"]


@story
def killed_at_the_claim(case: Case) -> None:
    case.file("HIGH", prepare=lambda: case.handler.kill(case.execution))
    case.reaches("KILLED")


@story
def killed_in_the_script(case: Case) -> None:
    case.catalogue(auto_remediate=True)
    held = case.file_and_hold("LOW", "rpc/record_analysis", '"aggregate"')
    case.at("aggregate_data_sources")
    case.handler.kill(case.execution)
    case.reaches("KILLED")
    held.over()


@story
def killed_at_the_model(case: Case) -> None:
    case.catalogue(auto_remediate=True)
    case.model("hang", "analyze")
    case.file("LOW")
    case.at("ai_agent_analyze")
    case.handler.kill(case.execution)
    case.reaches("KILLED")


@story
def killed_in_the_pause(case: Case) -> None:
    case.catalogue()
    case.file("MEDIUM")
    case.reaches("PAUSED")
    case.handler.kill(case.execution)
    case.reaches("KILLED")


@story
def killed_in_the_act(case: Case) -> None:
    case.catalogue()
    case.action("hang", acts=True)
    case.file("MEDIUM")
    case.decided()
    until(lambda: case.effects, f"{case.service} is restarting", 120)
    case.handler.kill(case.execution)
    case.reaches("KILLED")


@story
def killed_between_two_tries(case: Case) -> None:
    case.model("500", "documentation")
    case.execution = case.handler.post(case.payload("HIGH"), TIMED_FLOW)
    case.reaches("RETRYING")
    case.handler.kill(case.execution)
    case.is_reported("KILLED")


class TestPause:
    def test_nobody_decides_in_time_and_the_run_documents_that(self, cases: Batch) -> None:
        case = cases["nobody_decides"]
        assert (case.approval["status"], case.approval["decided_by"]) == ("expired", None)
        assert (case.actions, case.effects) == ([], 0)
        assert "Nobody decided before the deadline" in case.why
        texts = [item["text"] for item in case.analysis["evidence"] if item["kind"] == "decision"]
        assert texts == ["The proposal was not decided (expired): Nobody decided before the deadline."]

    def test_a_pause_that_ends_by_itself_fails_the_run_and_cancels_the_approval(self, cases: Batch) -> None:
        case = cases["pause_ends_by_itself"]
        assert case.approval["status"] == "cancelled"
        assert (case.actions, case.effects) == ([], 0)
        assert case.why.startswith("The run failed")

    def test_resumed_by_hand_before_anybody_decided_nothing_is_carried_out(self, cases: Batch) -> None:
        case = cases["resumed_by_hand"]
        assert case.approval["status"] == "cancelled"
        assert "resumed in Kestra" in case.approval["cause"]
        assert (case.actions, case.effects) == ([], 0)


@story
def nobody_decides(case: Case) -> None:
    case.catalogue()
    case.file("MEDIUM")
    case.reaches("PAUSED")
    case.desk.configure("approvals", str(case.approval["id"]), deadline_at="2026-01-01T00:00:00Z")
    case.reaches("SUCCESS")


@story
def pause_ends_by_itself(case: Case) -> None:
    case.catalogue()
    case.execution = case.handler.post(case.payload("MEDIUM"), TIMED_FLOW)
    case.reaches("FAILED")


@story
def resumed_by_hand(case: Case) -> None:
    case.catalogue()
    case.file("MEDIUM")
    case.reaches("PAUSED")
    assert case.handler.resume(case.execution, decision_id=str(case.approval["id"])) == 200
    case.reaches("SUCCESS")
