"""Real parts that many tests share, started once per run."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.flow.handler import Handler
from tests.flow.parts import flow_parts
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
def kestra(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[RunningEngine]:
    """The sandbox's Kestra, empty; tests save flows of their own."""
    running = start_engine(tmp_path_factory.mktemp("kestra") / "data")
    with _released_early(request, running.stop):
        yield running


@pytest.fixture(scope="session")
def handler(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Handler]:
    """Everything the flow talks to, the flow deployed."""
    parts = ExitStack()
    running = parts.enter_context(flow_parts(tmp_path_factory.mktemp("flow")))
    with _released_early(request, parts.close):
        yield running


@pytest.fixture(scope="session")
def sandbox(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[RunningSandbox]:
    """A whole sandbox with desk, started by the command behind `make demo`."""
    running = RunningSandbox(tmp_path_factory.mktemp("sandbox") / "data", seconds=900)
    with _released_early(request, running.stop):
        yield running


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What takes longest begins first where tests run beside each other."""
    if hasattr(config, "workerinput"):
        order = {name: place for place, name in enumerate(_TOGETHER)}
        items.sort(key=lambda item: order.get(_side(item.nodeid), len(order)))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return _BesideEachOther(config, log)


class _BesideEachOther(LoadScopeScheduling):  # type: ignore[misc]
    """One side has what needs the flow or a sandbox; the other all else, what needs only an engine first."""

    def _split_scope(self, nodeid: str) -> str:
        return _side(nodeid)


# Whatever shares an engine stays together, so that it is started once.
_TOGETHER = {
    "flow": re.compile(r"tests/(flow|faults|story|browser)/"),
    "engine": re.compile(r"tests/contract/test_(kestra|flow_portable)"),
}


def _side(nodeid: str) -> str:
    together = (name for name, pattern in _TOGETHER.items() if pattern.match(nodeid))
    return next(together, nodeid.partition("::")[0])


# An engine costs a part of a core even while nobody asks for anything: each ends after its last test, not at
# the end of the session.
_stops: dict[str, Callable[[], object]] = {}


@contextmanager
def _released_early(request: pytest.FixtureRequest, stop: Callable[[], object]) -> Iterator[None]:
    assert request.fixturename is not None
    _stops[request.fixturename] = stop
    yield
    if left := _stops.pop(request.fixturename, None):
        left()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    yield
    if _stops:
        to_come = item.session.items[item.session.items.index(item) + 1 :]
        wanted = {name for later in to_come for name in getattr(later, "fixturenames", ())}
        for name in _stops.keys() - wanted:
            _stops.pop(name)()
