"""The command line: errors are one line, help needs no settings."""

import io
from collections.abc import Sequence
from pathlib import Path

import pytest

from dashboard import cli


def run(monkeypatch: pytest.MonkeyPatch, arguments: Sequence[str]) -> int | str | None:
    monkeypatch.setattr("sys.argv", ["incidentscribe", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for key in ("KESTRA_PASSWORD", "SUPABASE_ANON_KEY", "SUPABASE_SERVICE_ROLE_KEY", "GEMINI_API_KEY"):
        monkeypatch.delenv(key, raising=False)
    for key in (
        "INCIDENTSCRIBE_DATABASE_URL",
        "INCIDENTSCRIBE_DEMO_PASSWORD",
        "INCIDENTSCRIBE_ADMIN_EMAIL",
        "INCIDENTSCRIBE_ADMIN_PASSWORD",
    ):
        monkeypatch.delenv(key, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "command",
    [
        "deploy",
        "migrate",
        "seed",
        "serve",
        "worker",
        "org create Acme --slug acme",
        "user invite ana@acme.example --role approver --name Ana",
        "user role ana@acme.example admin",
        "user disable ana@acme.example",
        "user enable ana@acme.example",
        "service apply empty.yml",
        "catalogue apply empty.yml",
        "hold show",
        "hold begin --reason Restored",
        "hold release --reason Looked",
    ],
)
def test_a_command_without_its_settings_names_them_in_one_line(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("empty.yml").write_text("[]")
    assert run(monkeypatch, command.split()) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "not set" in said.err


def test_help_lists_the_commands(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, ["--help"]) == 0
    text = capsys.readouterr().out
    for command in ("deploy", "migrate", "seed", "serve", "worker", "org", "user", "service", "catalogue"):
        assert command in text


def test_an_admin_that_is_not_set_is_asked_for_only_at_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SUPABASE_ANON_KEY", "anon")
    monkeypatch.setattr("sys.stdin", io.StringIO("ada@acme.example\n"))
    assert run(monkeypatch, ["user", "disable", "ana@acme.example"]) == 1
    assert "nobody is there to ask" in capsys.readouterr().err


def test_a_database_that_is_not_there_ends_migrate(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("INCIDENTSCRIBE_DATABASE_URL", "postgresql://u:hunter2@127.0.0.1:29098/x")
    assert run(monkeypatch, ["migrate"]) == 1
    said = capsys.readouterr().err
    assert "Postgres cannot be reached" in said
    assert "hunter2" not in said
