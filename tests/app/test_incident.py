"""The incident's page through the life of a run."""

from __future__ import annotations

import re
from typing import Any

import pytest

from dashboard.domain.action import ActionRun
from dashboard.domain.execution import Escalation, LogLine
from dashboard.domain.incident import SubmitReceipt
from dashboard.errors import NotFound, UpstreamUnreachable
from dashboard.kestra_api.observation import LogSnapshot, Snapshot, Source
from dashboard.store import cases
from dashboard.store.cases import Case, Findings
from dashboard.ui import kestra
from tests.app.conftest import Open, words
from tests.app.examples import (
    INCIDENT_ID,
    PAUSED_TASKS,
    ago,
    make_analysis,
    make_approval,
    make_execution,
    make_incident,
    make_run,
    make_start,
)


class Stored:
    """What the store answers about the incident; a test changes what it is about."""

    def __init__(self) -> None:
        self.case = Case(incident=make_incident())
        self.findings = Findings()

    def put(self, **fields: Any) -> None:
        self.case = self.case.model_copy(update=fields)

    def found(self, **fields: Any) -> None:
        self.findings = self.findings.model_copy(update=fields)


@pytest.fixture(autouse=True)
def stored(monkeypatch: pytest.MonkeyPatch) -> Stored:
    store = Stored()
    monkeypatch.setattr(cases, "get_case", lambda *_: store.case)
    monkeypatch.setattr(cases, "get_findings", lambda *_: store.findings)
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
    assert any("Wait for a decision" in label and "Paused" in label for label in labels)
    assert any("HIGH branch" in label and "not taken" in label for label in labels)
    text = words(app)
    assert "just now, streamed" in text
    assert any("WARN  [Analyse the cause] a *starred* line" in block.value for block in app.code)
    assert app.get("plotly_chart")


def test_what_was_found_and_decided_stands_beside_it(
    open_page: Open, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored.put(runs=(make_run(),))
    stored.found(analysis=make_analysis())
    stored.put(approvals=(make_approval(),))
    text = words(open_page("incident", id=INCIDENT_ID))
    assert "waiting for a decision" in text
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
