"""What the incident page says: steps in a line, events in words, what was taken out, the log."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from dashboard.domain import redaction
from dashboard.domain.action import ActionRun
from dashboard.domain.clock import parse_instant
from dashboard.domain.execution import Execution, ExecutionRecord, LogLine, StateChange, current_state
from dashboard.domain.history import is_of_people, tell
from dashboard.domain.incident import IncidentEvent
from dashboard.domain.log import Filter, as_text, matching
from dashboard.domain.step_lines import step_lines
from dashboard.resources import flow_file
from tests.app.examples import make_analysis, make_approval

AT = parse_instant("2026-11-24T10:00:00Z")


class TestStepLines:
    def test_each_step_tells_what_it_found(self) -> None:
        approval = make_approval(status="approved", decided_by_name="Ana", decision_reason="Safe.")
        lines = step_lines(make_analysis(completed_at=AT), approval, (), None)
        assert lines["aggregate_data_sources"] == "4 facts, 1 error cluster, 2 secrets removed"
        assert lines["ai_agent_analyze"].startswith("root cause: The database pool of payment-api")
        assert lines["ai_agent_analyze"].endswith("(medium confidence)")
        assert lines["request_approval"] == "1 action proposed: Restart payment-api"
        assert lines["require_approval_medium"] == "approved by Ana: Safe."
        assert lines["ai_agent_remediation"] == "2 steps planned"
        assert lines["save_to_supabase"] == "complete"

    def test_what_waits_or_could_not_be_read_claims_nothing(self) -> None:
        lines = step_lines(None, make_approval(proposal_text="not JSON"), (), None)
        assert lines == {"request_approval": "a proposal was stored"}

    @pytest.mark.parametrize(
        ("status", "verified", "said"),
        [
            ("acted", True, "done and verified"),
            ("acted", False, "done, but its effect was not seen"),
            ("failed", None, "did not happen"),
            ("unknown", None, "may or may not have happened: check"),
        ],
    )
    def test_an_action_says_what_is_known_of_it(self, status: str, verified: bool | None, said: str) -> None:
        run = ActionRun.model_validate(
            {
                "id": "a",
                "incident_id": "i",
                "approval_id": "p",
                "action_key": "1",
                "title": "Restart",
                "status": status,
                "verified": verified,
                "begun_at": AT,
            }
        )
        assert said in step_lines(None, None, [run], None)["carry_out_approved"]

    def test_a_long_cause_is_cut_to_a_line(self) -> None:
        found = make_analysis()
        assert found.analysis is not None
        cause = found.analysis.root_cause.model_copy(update={"text": "word\n" * 500})
        found = found.model_copy(update={"analysis": found.analysis.model_copy(update={"root_cause": cause})})
        line = step_lines(found, None, (), None)["ai_agent_analyze"]
        assert len(line) < 230
        assert "\n" not in line


class TestHistory:
    def event(self, kind: str, **detail: Any) -> IncidentEvent:
        return IncidentEvent(id=1, incident_id="i", kind=kind, actor_name="Ana", at=AT, detail=detail)

    @pytest.mark.parametrize(
        ("kind", "detail", "did", "text"),
        [
            ("assigned", {"to": "Ben"}, "gave it to Ben", ""),
            ("note", {"text": "look"}, "noted", "look"),
            ("severity", {"from": "LOW", "to": "HIGH"}, "changed the severity from LOW to HIGH", ""),
            ("run_ended", {"state": "KILLED"}, "saw the run end: killed", ""),
            ("escalated", {"told": [], "reason": "HIGH"}, "escalated and could tell nobody", "HIGH"),
            ("action_finished", {"status": "unknown"}, "may or may not have happened", ""),
            ("something_new", {}, "something new", ""),
        ],
    )
    def test_events_in_words(self, kind: str, detail: dict[str, Any], did: str, text: str) -> None:
        told = tell(self.event(kind, **detail))
        assert did in told.did
        assert told.text == text

    def test_people_are_told_from_programs(self) -> None:
        assert is_of_people(self.event("note"))
        assert not is_of_people(self.event("run_started"))


def test_what_was_taken_out_is_counted_by_kind_and_never_shown() -> None:
    found = {"ipv4": 1, "email": 2, "new_kind": 3, "broken": "x", "none": 0, "flag": True}
    assert redaction.kinds(found) == ["2 e-mail addresses", "1 IP address", "3 new kind"]
    assert redaction.total(found) == 6


def test_every_kind_the_flow_redacts_has_a_word() -> None:
    source = flow_file().read_text(encoding="utf-8")
    found = set(re.findall(r'^\s+\("([a-z_0-9]+)", r"', source, re.MULTILINE))
    assert "email" in found
    assert not found - set(redaction.WORDS)


class TestLog:
    LINES = (
        LogLine(at=AT, level="DEBUG", message="quiet", task_id="analyze"),
        LogLine(at=AT, level="INFO", message="Pool Exhausted", task_id="open_run"),
        LogLine(at=AT, level="ERROR", message="one\n10:00:00.000 INFO  forged", task_id="claim", attempt=1),
        LogLine(at=AT, level="LOUD", message="nobody knows this level"),
    )

    def test_a_level_shows_itself_and_what_is_louder_and_never_hides_an_unknown_one(self) -> None:
        assert [line.level for line in matching(self.LINES, Filter("INFO"))] == ["INFO", "ERROR", "LOUD"]
        assert len(matching(self.LINES, Filter("DEBUG"))) == 4

    def test_a_step_includes_its_parts_and_search_ignores_case(self) -> None:
        assert len(matching(self.LINES, Filter("INFO", step="open_run"))) == 2
        assert len(matching(self.LINES, Filter("DEBUG", search="pool ex"))) == 1

    def test_a_message_cannot_pretend_to_be_another_line(self) -> None:
        text = as_text(self.LINES[2:3])
        assert text.splitlines()[0] == "10:00:00.000 ERROR [Claim the incident] (attempt 2) one"
        assert text.splitlines()[1] == "    10:00:00.000 INFO  forged"


class TestCurrentState:
    def seen(self, *states: str, seconds: float) -> Execution:
        at = AT + timedelta(seconds=seconds)
        history = tuple(StateChange(state=state, at=at) for state in states)
        return Execution(id="k", namespace="n", flow_id="f", state=states[-1], history=history)

    def record(self, state: str, *, ended: bool) -> ExecutionRecord:
        return ExecutionRecord(
            id="e",
            organization_id="o",
            incident_id="i",
            kestra_execution_id="k",
            state=state,
            ended_at=AT if ended else None,
        )

    def test_a_recorded_end_does_not_go_back_to_what_was_seen_before_it(self) -> None:
        ended = self.record("FAILED", ended=True)
        assert current_state(ended, self.seen("CREATED", "RUNNING", seconds=-5)) == "FAILED"
        assert current_state(ended, None) == "FAILED"

    def test_a_restart_after_the_end_counts(self) -> None:
        ended = self.record("FAILED", ended=True)
        assert current_state(ended, self.seen("FAILED", "RESTARTED", seconds=5)) == "RESTARTED"

    def test_what_was_seen_counts_while_no_end_is_recorded(self) -> None:
        assert current_state(self.record("RUNNING", ended=False), self.seen("PAUSED", seconds=1)) == "PAUSED"
