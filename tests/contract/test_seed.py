"""The demo's content through the real gateway: the service key sets up, the admin does the rest."""

from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from dashboard.seed.happenings import read_happenings
from dashboard.seed.run import seed
from dashboard.settings import SeedSettings
from tests.support.gateway import RunningGateway, start_gateway
from tests.support.postgres import Database

TABLES = (
    "organizations",
    "profiles",
    "services",
    "actions",
    "incidents",
    "approvals",
    "escalations",
    "action_runs",
    "postmortem_versions",
    "action_items",
    "outbox",
    "audit_log",
)


@pytest.fixture
def migrated_gateway(migrated_database: Database) -> Iterator[RunningGateway]:
    running = start_gateway(migrated_database)
    yield running
    running.stop()


def content(database: Database) -> dict[str, list[tuple[object, ...]]]:
    with database.connect() as connection:
        return {
            table: connection.execute(f"select t::text from public.{table} t order by 1".encode()).fetchall()
            for table in TABLES
        }


def test_seeding_again_changes_nothing(migrated_gateway: RunningGateway, migrated_database: Database) -> None:
    settings = SeedSettings.load(
        supabase_url=migrated_gateway.url,
        supabase_anon_key=SecretStr(migrated_gateway.anon_key),
        supabase_service_role_key=SecretStr(migrated_gateway.service_role_key),
        demo_password=SecretStr("Demo-0815"),
    )
    said: list[str] = []
    seed(settings, said.append)
    first = content(migrated_database)
    assert {table: len(first[table]) for table in ("organizations", "profiles", "services", "actions")} == {
        "organizations": 1,
        "profiles": 6,
        "services": 13,
        "actions": 13,
    }
    assert "organization Demo" in said
    assert len(first["incidents"]) == len(read_happenings())
    assert not first["outbox"], "the past owes nobody anything"
    seed(settings, said.append)
    assert content(migrated_database) == first
    with migrated_database.connect() as connection:
        query = "select is_default, auto_remediate_direct_webhooks from public.organizations"
        assert connection.execute(query).fetchall() == [(True, True)]
        query = "select distinct actor_name from public.audit_log where action like 'service.%'"
        assert connection.execute(query).fetchall() == [("Ada Admin",)]
