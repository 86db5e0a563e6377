"""One gateway for all tests of this folder that name it."""

from collections.abc import Iterator

import pytest
from supabase import Client

from tests.support.gateway import RunningGateway, start_gateway
from tests.support.postgres import ROOT, Database, RunningPostgres, scratch_database

_TABLES = ROOT / "tests" / "support" / "gateway_tables.sql"


@pytest.fixture(scope="session")
def gateway_database(postgres: RunningPostgres) -> Iterator[Database]:
    """The tables of `gateway_tables.sql`; tests that write use rows of their own and take them away again."""
    with scratch_database(postgres) as database:
        with database.connect() as connection:
            connection.execute(_TABLES.read_text(encoding="utf-8"))
        yield database


@pytest.fixture(scope="session")
def gateway(gateway_database: Database) -> Iterator[RunningGateway]:
    running = start_gateway(gateway_database)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def service(gateway: RunningGateway) -> Client:
    """The unmodified client with the service key."""
    return gateway.client(gateway.service_role_key)
