"""The sandbox's Auth, started once for the tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.support.auth_server import AuthServer, auth_server
from tests.support.postgres import RunningPostgres, scratch_database


@pytest.fixture(scope="session")
def running_auth(postgres: RunningPostgres) -> Iterator[AuthServer]:
    with scratch_database(postgres) as database, auth_server(database) as server:
        yield server


@pytest.fixture
def auth(running_auth: AuthServer) -> Iterator[AuthServer]:
    """Auth without a user."""
    yield running_auth
    running_auth.execute("delete from auth.users")


@pytest.fixture
def mia(auth: AuthServer) -> str:
    """The id of a user who can sign in."""
    return auth.person()
