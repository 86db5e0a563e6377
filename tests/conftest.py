"""Real parts that many tests share, started once per run."""

import os
from collections.abc import Iterator

import pytest

from tests.support.kestra import RunningEngine, start_engine
from tests.support.postgres import (
    Database,
    RunningPostgres,
    migrated_template,
    scratch_database,
    start_postgres,
)
from tests.support.sandbox import RunningSandbox

# No test and nothing that it starts reads the file of whoever runs it: it may name real systems.
os.environ["INCIDENTSCRIBE_ENV_FILE"] = ""


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPostgres]:
    """The sandbox's Postgres with nothing but what a Supabase project has."""
    running = start_postgres(tmp_path_factory.mktemp("postgres") / "data")
    yield running
    running.stop()


@pytest.fixture
def blank_database(postgres: RunningPostgres) -> Iterator[Database]:
    """A new Supabase project of this test alone."""
    with scratch_database(postgres) as database:
        yield database


@pytest.fixture
def migrated_database(postgres: RunningPostgres) -> Iterator[Database]:
    """A database with all migrations applied, of this test alone."""
    with scratch_database(postgres, migrated_template(postgres)) as database:
        yield database


@pytest.fixture(scope="session")
def kestra(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEngine]:
    """The sandbox's Kestra, empty; tests save flows of their own."""
    running = start_engine(tmp_path_factory.mktemp("kestra") / "data")
    yield running
    running.stop()


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    """A whole sandbox with desk, started by the command behind `make demo`."""
    running = RunningSandbox(tmp_path_factory.mktemp("sandbox") / "data", seconds=900)
    yield running
    running.stop()
