from pathlib import Path

import pytest

from dashboard.errors import ConfigurationError, Conflict, UpstreamUnreachable
from dashboard.migrate import Migration, check_history, migrate, read_migrations
from dashboard.resources import migration_files

ONE = Migration("20261124000100", "one", "create table one (id int);\n-- end\n")
TWO = Migration("20261124000200", "two", "create table two (id int);")


def test_file_names_give_version_and_name(tmp_path: Path) -> None:
    (tmp_path / "20261124000200_second_step.sql").write_text("select 2")
    (tmp_path / "20261124000100_first.sql").write_text("select 1")
    assert [(m.version, m.name) for m in read_migrations(list(tmp_path.iterdir()))] == [
        ("20261124000100", "first"),
        ("20261124000200", "second_step"),
    ]


def test_our_own_migrations_have_names_the_supabase_cli_takes() -> None:
    assert len(read_migrations(migration_files())) == len(migration_files()) > 0


def test_another_file_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "first.sql").write_text("select 1")
    with pytest.raises(ConfigurationError, match=r"first\.sql"):
        read_migrations(list(tmp_path.iterdir()))


@pytest.mark.parametrize(
    "recorded",
    [{}, {ONE.version: ONE.sql}, {ONE.version: None}, {ONE.version: " create table one (id int)\n\n-- end"}],
)
def test_an_unchanged_history_is_accepted_however_it_was_split(recorded: dict[str, str | None]) -> None:
    check_history(recorded, [ONE, TWO])


def test_a_migration_changed_after_it_was_applied_is_refused() -> None:
    with pytest.raises(Conflict, match="changed after it had been applied"):
        check_history({ONE.version: "create table one (id bigint);"}, [ONE, TWO])


def test_a_database_that_is_newer_is_refused() -> None:
    with pytest.raises(Conflict, match="does not know"):
        check_history({ONE.version: ONE.sql, "20270101000000": "x"}, [ONE])


def test_a_migration_inserted_into_the_past_is_refused() -> None:
    with pytest.raises(Conflict, match="older than"):
        check_history({TWO.version: TWO.sql}, [ONE, TWO])


def test_a_database_that_is_not_there_is_unreachable_and_the_password_stays_hidden() -> None:
    with pytest.raises(UpstreamUnreachable) as raised:
        migrate("postgresql://postgres:hunter2@127.0.0.1:29099/postgres", [ONE], lambda _: None)
    assert "hunter2" not in str(raised.value)
