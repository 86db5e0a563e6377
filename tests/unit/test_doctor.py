"""The checks of the desk's own health: what each finding says, and what it says to do."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dashboard import doctor, doctor_kestra
from dashboard.domain.clock import parse_instant
from dashboard.domain.execution import FlowIdentity
from dashboard.domain.finding import Finding, Health, summary
from dashboard.domain.overview import ModelReport
from dashboard.domain.system import KestraSeen, OutboxReport, Rights, WorkerBeat
from dashboard.errors import UpstreamUnreachable
from dashboard.kestra_api.models import Instance
from dashboard.resources import flow_file

NOW = parse_instant("2026-11-24T12:00:00Z")
GONE = UpstreamUnreachable("Kestra", "Kestra cannot be reached (ConnectError).")
SOURCE = flow_file().read_text(encoding="utf-8")


def flow(source: str = SOURCE, **fields: object) -> FlowIdentity:
    base = {"id": "incident-handler", "namespace": "incident.response", "revision": 3, "source": source}
    return FlowIdentity.model_validate(base | fields)


def beat(seconds_ago: float, **fields: object) -> WorkerBeat:
    at = NOW - timedelta(seconds=seconds_ago)
    return WorkerBeat.model_validate({"name": "w-1", "started_at": at, "beat_at": at} | fields)


class TestKestra:
    def test_the_one_the_worker_speaks_to_is_well(self) -> None:
        instance = Instance(uuid="a", version="2.0.0")
        seen = (KestraSeen(uuid="a", seen_at=NOW),)
        assert doctor_kestra.kestra_answers(instance, seen).health is Health.WELL

    def test_another_one_is_not(self) -> None:
        found = doctor_kestra.kestra_answers(
            Instance(uuid="b", version="2.0.0"), (KestraSeen(uuid="a", seen_at=NOW),)
        )
        assert (found.health, "another one: a" in found.found) == (Health.ILL, True)

    def test_one_that_is_away_is_not(self) -> None:
        found = doctor_kestra.kestra_answers(GONE, ())
        assert (found.health, found.found) == (Health.ILL, GONE.what)

    @pytest.mark.parametrize(
        ("answer", "health"),
        [
            (flow(), Health.WELL),
            (flow(SOURCE + "\n\n"), Health.WELL),
            (flow(SOURCE + "# mended by hand"), Health.DOUBTFUL),
            (flow(disabled=True), Health.ILL),
            (None, Health.ILL),
            (GONE, Health.UNCHECKED),
        ],
    )
    def test_the_flow_is_compared_by_its_hash(self, answer: FlowIdentity | None, health: Health) -> None:
        assert doctor_kestra.flow_in_step(answer, SOURCE).health is health

    @pytest.mark.parametrize(
        ("source", "health"),
        [
            (SOURCE, Health.WELL),
            (SOURCE.replace("key: incident-webhook-key", "key: another"), Health.ILL),
            (SOURCE.replace("key: incident-webhook-key", "key: \"{{ kv('HOOK') }}\""), Health.UNCHECKED),
            ("id: incident-handler", Health.ILL),
            ("triggers: [: broken", Health.ILL),
        ],
    )
    def test_the_webhook_has_the_key_of_the_settings(self, source: str, health: Health) -> None:
        found = doctor_kestra.webhook_set(flow(source), "incident-webhook-key", None)
        assert found.health is health
        assert "incident-webhook-key" not in f"{found.found}{found.mend}"

    def test_values_that_are_missing_are_named(self) -> None:
        found = doctor_kestra.values_present({"SUPABASE_URL", "GEMINI_API_KEY"})
        assert (found.health, found.found) == (Health.ILL, "SUPABASE_SERVICE_ROLE_KEY is missing.")
        assert doctor_kestra.values_present(doctor_kestra.KV_NEEDED).health is Health.WELL
        assert doctor_kestra.values_present(GONE).health is Health.UNCHECKED


class TestDatabase:
    @pytest.mark.parametrize(
        ("applied", "health", "command"),
        [
            ("20261124000200", Health.WELL, ""),
            ("20261124000100", Health.ILL, "incidentscribe migrate"),
            ("20261124000300", Health.DOUBTFUL, ""),
            (None, Health.UNCHECKED, ""),
        ],
    )
    def test_the_schema_is_of_this_version(self, applied: str | None, health: Health, command: str) -> None:
        found = doctor.schema_in_step(applied, "20261124000200")
        assert (found.health, found.command) == (health, command)

    def test_each_guard_that_fell_is_named(self) -> None:
        rights = Rights(tables=9, unguarded=("a",), anybody_may_call=("desk_session", "overview"))
        found = doctor.guards_stand(rights)
        assert found.health is Health.ILL
        assert found.found == "Without row level security: a; called by anybody: overview."
        assert doctor.guards_stand(Rights(tables=9, anybody_may_call=("desk_session",))).health is Health.WELL


class TestWork:
    def test_a_worker_is_alive_as_long_as_it_beats(self) -> None:
        assert doctor.workers_alive([beat(11)], NOW).health is Health.WELL
        assert doctor.workers_alive([beat(46)], NOW).health is Health.ILL
        assert doctor.workers_alive([], NOW).command == "incidentscribe worker"
        assert doctor.workers_alive([beat(1, trouble="Kestra is away.")], NOW).health is Health.DOUBTFUL

    def test_what_is_owed_for_long_is_worth_a_look_and_stuck_is_ill(self) -> None:
        fresh, old = NOW - timedelta(seconds=5), NOW - timedelta(minutes=3)
        assert doctor.outbox_flows(OutboxReport(), NOW).health is Health.WELL
        assert doctor.outbox_flows(OutboxReport(owed=1, oldest_at=fresh), NOW).health is Health.WELL
        assert doctor.outbox_flows(OutboxReport(owed=1, oldest_at=old), NOW).health is Health.DOUBTFUL
        assert doctor.outbox_flows(OutboxReport(owed=1, oldest_at=old, stuck=1), NOW).health is Health.ILL

    def test_a_model_nobody_asked_is_not_called_well(self) -> None:
        assert doctor.model_answers(ModelReport(), NOW).health is Health.UNCHECKED
        silent = ModelReport(asked=3, problems=1, answered_at=NOW - timedelta(minutes=9), problem_at=NOW)
        assert doctor.model_answers(silent, NOW).health is Health.ILL
        again = ModelReport(asked=3, problems=1, answered_at=NOW, problem_at=NOW - timedelta(minutes=9))
        assert doctor.model_answers(again, NOW).health is Health.DOUBTFUL


def test_the_summary_names_what_is_not_well_before_anything_else() -> None:
    def finding(part: str, health: Health) -> Finding:
        return Finding(part, health, "", "")

    well = finding("Schema", Health.WELL)
    assert summary([well]) == "All is well."
    assert summary([well, finding("Model", Health.DOUBTFUL)]).endswith("worth a look: Model.")
    assert summary([finding("Model", Health.DOUBTFUL), finding("Kestra", Health.ILL)]) == "Not well: Kestra."
    assert summary([well, finding("Model", Health.UNCHECKED)]) == "All is well: 1 of 2 parts were checked."
