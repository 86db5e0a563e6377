"""Clocks, runs, notices, rights and the probe: what each finding says, and what it says to do."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dashboard import doctor_command, doctor_probe
from dashboard.doctor_operations import (
    anon_refused,
    clocks_agree,
    notices_sent,
    privileges_as_committed,
    retention_kept,
    runs_ended,
    sizes_seen,
)
from dashboard.doctor_probe import Answer
from dashboard.domain.clock import parse_instant
from dashboard.domain.finding import Finding, Health
from dashboard.domain.system import NoticesReport, RetentionReport, RunsReport, SizesReport, WorkerBeat
from dashboard.errors import UpstreamUnreachable
from dashboard.resources import privileges

NOW = parse_instant("2026-11-24T12:00:00Z")


@pytest.mark.parametrize(
    ("seconds", "health"),
    [(0, Health.WELL), (4, Health.WELL), (-30, Health.DOUBTFUL), (30, Health.DOUBTFUL), (90, Health.ILL)],
)
def test_clocks_may_be_a_few_seconds_apart(seconds: float, health: Health) -> None:
    found = clocks_agree("Clock", "the database", NOW + timedelta(seconds=seconds), NOW)
    assert found.health is health
    assert ("behind" in found.found) == (seconds <= 0)


class TestRuns:
    @pytest.mark.parametrize(
        ("problem", "says"),
        [
            ("Task ai_agent_analyze: Read timed out", "`readIdleTimeout`"),
            ("The model did not answer in time.", "`timeout`"),
            ("Task open_run: 401 from http://x/rest/v1/rpc/open_run", "INCIDENTSCRIBE_FLOW_SUPABASE_URL"),
            ("API key not valid.", "GEMINI_API_KEY"),
            (
                "analyze: the model gave no answer (the request failed, timed out or came back empty)\n"
                "ai_agent_analyze: Failed http request with response code '400' and body: API key not valid.",
                "GEMINI_API_KEY",
            ),
            (
                "analyze: the model gave no answer (the request failed, timed out or came back empty)",
                "whether the model is reached",
            ),
            ("Something else.", "Read the log"),
        ],
    )
    def test_the_last_failure_names_its_cure(self, problem: str, says: str) -> None:
        runs = RunsReport(ended=3, failed=1, problem=problem, problem_at=NOW, kestra_execution_id="ex1")
        found = runs_ended(runs, NOW)
        assert (found.health, found.since) == (Health.DOUBTFUL, NOW)
        assert found.found.startswith("1 of 3 failed, the last (ex1) just now: ")
        assert says in found.mend

    def test_where_all_failed_it_is_ill_and_where_none_did_well(self) -> None:
        assert runs_ended(RunsReport(ended=2, failed=2, problem_at=NOW), NOW).health is Health.ILL
        assert runs_ended(RunsReport(ended=2, live=1), NOW).found == (
            "2 ended, none of them failed. 1 is under way."
        )
        assert runs_ended(RunsReport(), NOW).health is Health.WELL


class TestNotices:
    def worker(self, *channels: str, seconds_ago: float = 1) -> WorkerBeat:
        at = NOW - timedelta(seconds=seconds_ago)
        return WorkerBeat(name="w", started_at=at, beat_at=at, facts={"channels": list(channels)})

    def test_a_wanted_channel_that_no_living_worker_has_is_ill(self) -> None:
        wanted = NoticesReport(wanted=("slack", "email"), owed=2)
        workers = [self.worker("slack"), self.worker("email", seconds_ago=3_600)]
        found = notices_sent(wanted, workers, NOW)
        assert (found.health, "no worker has it: email." in found.found) == (Health.ILL, True)

    def test_a_failure_is_told_with_its_words_and_since_when(self) -> None:
        failed = NoticesReport(wanted=("slack",), owed=1, oldest_at=NOW, last_error="Slack said no_team.")
        found = notices_sent(failed, [self.worker("slack")], NOW)
        assert (found.health, found.since) == (Health.ILL, NOW)
        assert "no_team" in found.found

    def test_where_nobody_wants_any_nothing_is_checked(self) -> None:
        assert notices_sent(NoticesReport(), [], NOW).health is Health.UNCHECKED
        assert (
            notices_sent(NoticesReport(wanted=("slack",)), [self.worker("slack")], NOW).health is Health.WELL
        )


def test_sizes_are_said_in_words() -> None:
    sizes = SizesReport.model_validate(
        {"database_bytes": 12_345_678, "tables": [{"table": "incidents", "bytes": 999, "rows": 1234}]}
    )
    assert sizes_seen(sizes).found == "The database has 12 MB: incidents 1,234 (999 B)."


@pytest.mark.parametrize(
    ("report", "health", "says"),
    [
        ({}, Health.WELL, "All is kept."),
        ({"written": "7"}, Health.ILL, "RETENTION_DAYS = 7 is not taken"),
        ({"days": 90, "written": "90"}, Health.WELL, "90 days after an incident's end. None so far."),
        ({"days": 90, "emptied": 3, "last_at": NOW}, Health.WELL, "3 so far, the last just now."),
    ],
)
def test_retention_is_said(report: dict[str, Any], health: Health, says: str) -> None:
    found = retention_kept(RetentionReport.model_validate(report), NOW)
    assert (found.health, says in found.found) == (health, True)


def test_an_anon_key_that_reads_is_ill() -> None:
    assert anon_refused(()).health is Health.WELL
    found = anon_refused(("incidents",))
    assert (found.health, "incidents" in found.found) == (Health.ILL, True)
    away = UpstreamUnreachable("Supabase", "Supabase cannot be reached.")
    assert anon_refused(away).health is Health.UNCHECKED


class TestPrivileges:
    def test_the_committed_list_is_as_itself(self) -> None:
        assert privileges_as_committed(privileges(), privileges()).health is Health.WELL

    def test_on_an_older_postgres_a_right_it_does_not_know_is_not_missed(self) -> None:
        def without(cell: str) -> str:
            return " ".join(word for word in cell.split() if word != "maintain") or "-"

        older = [(*row[:3], *map(without, row[3:])) for row in privileges()]
        assert privileges_as_committed(older, privileges()).health is Health.WELL

    def test_what_was_granted_added_or_dropped_by_hand_is_named(self) -> None:
        first, second, *rest = privileges()
        granted = (*first[:3], "usage create", *first[4:])
        found = privileges_as_committed(
            [granted, *rest, ("table", "public.mine", "", "-", "-", "-")], privileges()
        )
        assert found.health is Health.ILL
        for row in (first, second):
            assert " ".join(part for part in row[:3] if part) in found.found
        assert "table public.mine" in found.found


def http(code: int, body: Any = None) -> Answer:
    return Answer({"code": code, "body": json.dumps(body)})


class TestProbe:
    @pytest.mark.parametrize(
        ("answer", "health", "says"),
        [
            (http(200, [{"id": "x"}]), Health.WELL, "let through"),
            (http(200, []), Health.ILL, "no organization"),
            (http(401, {}), Health.ILL, "refuses the key"),
            (http(404, {}), Health.ILL, "HTTP 404"),
            (Answer({}, "Connection refused"), Health.ILL, "no answer: Connection refused"),
            (Answer(), Health.ILL, "There was no answer."),
        ],
    )
    def test_supabase(self, answer: Answer, health: Health, says: str) -> None:
        found = doctor_probe.supabase_reached(answer)
        assert (found.health, says in found.found) == (health, True)
        assert bool(found.mend) == (health is Health.ILL)

    @pytest.mark.parametrize(
        ("answer", "health", "says"),
        [
            (http(200, {"name": "models/gemini-2.5-flash"}), Health.WELL, "models/gemini-2.5-flash answers"),
            (http(400, {"error": {"message": "API key not valid."}}), Health.ILL, "API key not valid."),
            (http(404), Health.ILL, "model's name"),
            (http(429), Health.ILL, "quota"),
            (http(503, "<html>"), Health.ILL, "HTTP 503"),
            (Answer({"code": 200, "body": "<html>"}), Health.WELL, "It answers"),
            (Answer({}, "unknown host"), Health.ILL, "unknown host"),
        ],
    )
    def test_model(self, answer: Answer, health: Health, says: str) -> None:
        found = doctor_probe.model_reached(answer)
        assert (found.health, says in found.found) == (health, True)

    def test_python(self) -> None:
        assert doctor_probe.python_runs(Answer({"vars": {"version": "3.12.1"}})).found == "Python 3.12.1."
        found = doctor_probe.python_runs(Answer({"vars": {}}, "uv: not found"))
        assert (found.health, "uv: not found" in found.found) == (Health.ILL, True)

    def test_the_clock_of_a_script_is_right_at_any_time_of_the_probe(self) -> None:
        def clock(at: datetime) -> Finding:
            script = Answer({"vars": {"version": "3", "at": at.timestamp()}})
            answers = {"python": script, "supabase": Answer(), "model": Answer()}
            probe = doctor_probe.Probe(answers, NOW, NOW + timedelta(minutes=1))
            return doctor_probe.examine(probe)[-1]

        assert clock(NOW + timedelta(seconds=30)).found == "Kestra is 0.0 s behind this machine."
        assert clock(NOW - timedelta(seconds=30)).found == "Kestra is 30 s behind this machine."
        assert clock(NOW + timedelta(minutes=3)).found == "Kestra is 2 min ahead of this machine."

    def test_a_probe_that_did_not_run_is_ill_itself(self) -> None:
        away = UpstreamUnreachable("Kestra", "The probe x has not ended after 120 s.", means="It is stuck.")
        [found] = doctor_probe.examine(away)
        assert (found.health, found.means) == (Health.ILL, "It is stuck.")


class TestCommand:
    ILL = Finding("Outbox", Health.ILL, "2 owed\x1b[2J.", "Counted.", "Mend it.", "x", "It waits.", NOW)
    WELL = Finding("Flow", Health.WELL, "In step.", "Compared.")
    UNCHECKED = Finding("Model", Health.UNCHECKED, "Not asked.", "Nothing.")

    def test_it_is_said_in_full_and_nothing_steers_the_terminal(self) -> None:
        assert doctor_command.as_text([self.ILL, self.WELL]).splitlines() == [
            "[not well] Outbox",
            "    2 owed\ufffd[2J.",
            "    since: 2026-11-24 12:00 UTC",
            "    means: It waits.",
            "    to do: Mend it.",
            "    command: x",
            "    checked: Counted.",
            "",
            "[well] Flow",
            "    In step.",
            "    checked: Compared.",
            "",
            "Not well: Outbox.",
        ]

    def test_programs_get_the_same(self) -> None:
        said = json.loads(doctor_command.as_json([self.ILL]))
        assert said["well"] is False
        assert said["findings"][0]["health"] == "ill"
        assert said["findings"][0]["since"] == "2026-11-24T12:00:00.000Z"

    def test_nothing_checked_is_not_well(self) -> None:
        assert doctor_command.is_well([self.WELL, self.UNCHECKED])
        assert not doctor_command.is_well([self.UNCHECKED])
        assert not doctor_command.is_well([self.WELL, self.ILL])

    def test_without_settings_each_part_says_which_are_missing(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        for key in ("KESTRA_PASSWORD", "SUPABASE_ANON_KEY", "SUPABASE_SERVICE_ROLE_KEY"):
            monkeypatch.delenv(key, raising=False)
        monkeypatch.chdir(tmp_path)
        found = doctor_command.examine(probe=True)
        assert {finding.part for finding in found} == {"Kestra", "Supabase", "Anon key"}
        assert {finding.health for finding in found} == {Health.UNCHECKED}

    def test_parts_that_are_away_are_each_told(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.chdir(tmp_path)
        for key, value in {
            "KESTRA_URL": "http://127.0.0.1:1",
            "KESTRA_PASSWORD": "hunter2-hunter2",
            "SUPABASE_URL": "http://127.0.0.1:1",
            "SUPABASE_ANON_KEY": "anon-hunter2",
            "SUPABASE_SERVICE_ROLE_KEY": "service-hunter2",
        }.items():
            monkeypatch.setenv(key, value)
        text = doctor_command.as_text(doctor_command.examine(probe=True))
        assert "Kestra cannot be reached" in text
        assert "Supabase cannot be reached" in text
        assert "hunter2" not in text
