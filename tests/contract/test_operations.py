"""What operators rely on, with the real database behind the real gateway."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from dashboard import doctor_command, metrics
from dashboard.domain.finding import Finding, Health
from dashboard.live.following import DeskKestra
from dashboard.settings import WebSettings, WorkerSettings
from dashboard.store.connection import as_user
from dashboard.web.sessions import DeskSessions
from dashboard.worker.loop import Worker
from tests.support.postgres import RunningPostgres
from tests.support.project import PASSWORD, Supabase, new_project
from tests.support.until import until
from tests.unit.test_worker import FakeKestra

OWN = "http://kestra.test"


@pytest.fixture(scope="module")
def supabase(postgres: RunningPostgres) -> Iterator[Supabase]:
    with new_project(postgres) as project:
        project.person("ana")
        yield project


class TwoKestras:
    """Each at a host of its own; `last` is who was asked last."""

    def __init__(self) -> None:
        self.last = ""

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.last = request.url.host
        kestra = FakeKestra()
        kestra.uuid = f"the-one-at-{self.last}"
        return kestra(request)


def web_settings(supabase: Supabase) -> WebSettings:
    return WebSettings(
        kestra_url=OWN,
        kestra_password=SecretStr("unused"),
        supabase_url=supabase.gateway.url,
        supabase_anon_key=SecretStr(supabase.gateway.anon_key),
    )


def worker_settings(supabase: Supabase) -> WorkerSettings:
    return WorkerSettings(
        kestra_url=OWN,
        kestra_password=SecretStr("unused"),
        supabase_url=supabase.gateway.url,
        supabase_service_role_key=SecretStr(supabase.gateway.service_role_key),
    )


def write(supabase: Supabase, url: str) -> None:
    """As the guide says it."""
    supabase.execute("UPDATE system_config SET value = %s WHERE key = 'KESTRA_URL'", url)


def test_the_guides_update_moves_worker_and_desk_and_another_kestra_is_one_alarm(supabase: Supabase) -> None:
    kestras = TwoKestras()
    sessions = DeskSessions(web_settings(supabase))
    found = sessions.find(sessions.open("ana@desk.example", PASSWORD))
    assert found is not None
    desk = DeskKestra(web_settings(supabase))
    ana = as_user(web_settings(supabase), found.access_token)
    supabase.execute(
        "with incident as (insert into public.incidents"
        " (organization_id, external_id, source, service, severity, severity_text, title, fingerprint)"
        " select id, 'X-1', 'webhook', 'api', 'HIGH', 'HIGH', 'It fails', repeat('0', 64)"
        " from public.organizations limit 1 returning id, organization_id)"
        " insert into public.executions"
        " (organization_id, incident_id, kestra_execution_id, kestra_instance, owns, state)"
        " select organization_id, id, 'run-at-the-first', 'the-one-at-kestra.test', true, 'RUNNING'"
        " from incident"
    )
    with Worker(worker_settings(supabase), kestra_transport=httpx.MockTransport(kestras)) as worker:

        def both() -> tuple[str, str]:
            worker.tick()
            desk.look(ana)
            return worker._kestra.url, desk.api.url

        worker.tick()
        worker.tick_reconcile()
        assert (both(), kestras.last) == ((OWN, OWN), "kestra.test")
        written = supabase.rows("select value, from_environment from public.system_config")
        assert written == [(OWN, True)]

        write(supabase, "https://two.example")
        moved = ("https://two.example", "https://two.example")
        until(lambda: both() == moved, "worker and desk have moved", 20, 0.5)
        supabase.execute("update public.kestra_instances set seen_at = now() - interval '1 minute'")
        worker.tick_reconcile()
        assert kestras.last == "two.example"
        alarms = supabase.rows("select kind, subject from public.alarms where cleared_at is null")
        assert alarms == [("kestra_other", "the-one-at-kestra.test")]
        live = supabase.rows("select state, ended_at from public.executions")
        assert live == [("RUNNING", None)]

        write(supabase, "http://three.example")
        until(lambda: both() and desk.address.refused, "the desk has seen what is refused", 20, 0.5)
        assert both() == moved

        supabase.execute("delete from public.system_config where key = 'KESTRA_URL'")
        until(lambda: both() == (OWN, OWN), "both are back", 20, 0.5)
    desk.api.close()
    actions = supabase.rows(
        "select action from public.audit_log where subject_kind = 'system_config' order by id"
    )
    assert [row[0] for row in actions] == [
        "config.added",
        "config.changed",
        "config.changed",
        "config.removed",
    ]


def test_numbers_come_from_the_database_and_a_session_that_nobody_has_is_asked_for(
    supabase: Supabase,
) -> None:
    DeskSessions(web_settings(supabase)).ask()
    with Worker(worker_settings(supabase), kestra_transport=httpx.MockTransport(TwoKestras())) as worker:
        worker.tick()
    for kind in ("start_run", "deliver_decision", "command", "notice"):
        assert metrics.registry.get_sample_value("incidentscribe_outbox_owed", {"kind": kind}) is not None
    beat = metrics.registry.get_sample_value("incidentscribe_worker_beat_timestamp_seconds")
    assert beat is not None
    assert beat > 0


@pytest.fixture
def surroundings(supabase: Supabase, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What `incidentscribe doctor` reads; Kestra is away."""
    monkeypatch.chdir(tmp_path)
    for key, value in {
        "KESTRA_URL": "http://127.0.0.1:1",
        "KESTRA_PASSWORD": "unused",
        "SUPABASE_URL": supabase.gateway.url,
        "SUPABASE_ANON_KEY": supabase.gateway.anon_key,
        "SUPABASE_SERVICE_ROLE_KEY": supabase.gateway.service_role_key,
    }.items():
        monkeypatch.setenv(key, value)


def findings() -> dict[str, Finding]:
    return {finding.part: finding for finding in doctor_command.examine(probe=False)}


@pytest.mark.usefixtures("surroundings")
def test_the_doctor_reads_everything_of_the_database_though_kestra_is_away(supabase: Supabase) -> None:
    found = findings()
    assert found["Kestra"].health is Health.ILL
    for part in ("Supabase", "Schema", "Row level security", "Clock", "Privileges", "Anon key", "Sizes"):
        assert found[part].health is Health.WELL, found[part]
    assert found["Retention"].found == "All is kept."


@pytest.mark.usefixtures("surroundings")
def test_the_doctor_finds_what_was_granted_by_hand(supabase: Supabase) -> None:
    supabase.execute("grant select on public.profiles to anon")
    try:
        found = findings()
        assert found["Anon key"].found == "It may read profiles."
        assert found["Privileges"].health is found["Row level security"].health is Health.ILL
        assert "table public.profiles" in found["Privileges"].found
    finally:
        supabase.execute("revoke select on public.profiles from anon")
