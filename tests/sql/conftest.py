from collections.abc import Iterator

import pytest

from tests.sql.desk import Desk
from tests.support.postgres import RunningPostgres, migrated_template, scratch_database


@pytest.fixture(scope="session")
def template(postgres: RunningPostgres) -> str:
    return migrated_template(postgres)


@pytest.fixture
def desk(postgres: RunningPostgres, template: str) -> Iterator[Desk]:
    """An organization in a migrated database of its own."""
    with scratch_database(postgres, template) as database:
        yield Desk(database.url())
