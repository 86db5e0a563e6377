"""The commands that administer, against the real gateway."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from psycopg.rows import dict_row

from dashboard import cli
from tests.support.gateway import RunningGateway, start_gateway
from tests.support.postgres import Database

PASSWORD = "Hank-0815"
SERVICE = {"name": "payment-api", "owner": "payments", "approvers": ["hank@example.com"]}
ACTION = {
    "service": "payment-api",
    "key": "restart_service",
    "title": "Restart",
    "description": "Frees stuck connections.",
    "request": {
        "method": "POST",
        "url": "https://ops.example/restart",
        "headers": {"Idempotency-Key": "${idempotency_key}"},
    },
    "verify": {
        "method": "GET",
        "url": "https://ops.example/health",
        "expect": {"status": 200},
        "within_seconds": 30,
    },
    "risk": "low",
    "expected_effect": "Errors stop.",
    "rollback": "None needed.",
}

Run = Callable[..., tuple[int, list[str], str]]


@pytest.fixture
def gateway_of_a_new_installation(migrated_database: Database) -> Iterator[RunningGateway]:
    running = start_gateway(migrated_database)
    yield running
    running.stop()


@pytest.fixture
def run(
    gateway_of_a_new_installation: RunningGateway,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Run:
    """Runs a command line in this process: (exit code, lines on stdout, stderr)."""
    gateway = gateway_of_a_new_installation
    monkeypatch.chdir(tmp_path)
    for key, value in {
        "SUPABASE_URL": gateway.url,
        "SUPABASE_ANON_KEY": gateway.anon_key,
        "SUPABASE_SERVICE_ROLE_KEY": gateway.service_role_key,
        "INCIDENTSCRIBE_ADMIN_EMAIL": "hank@example.com",
        "INCIDENTSCRIBE_ADMIN_PASSWORD": PASSWORD,
        "FIRST_PASSWORD": PASSWORD,
    }.items():
        monkeypatch.setenv(key, value)

    def command(*arguments: str) -> tuple[int, list[str], str]:
        monkeypatch.setattr("sys.argv", ["incidentscribe", *arguments])
        try:
            cli.main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        said = capsys.readouterr()
        return code, said.out.splitlines(), said.err

    return command


def set_up(run: Run) -> None:
    assert run("org", "create", "Globex", "--slug", "globex", "--default") == (
        0,
        ["organization globex (Globex) created"],
        "",
    )
    first = ("user", "invite", "hank@example.com", "--role", "admin", "--name", "Hank")
    assert run(*first, "--organization", "globex", "--password-from", "env:FIRST_PASSWORD") == (
        0,
        ["account hank@example.com created", "hank@example.com added as admin"],
        "",
    )


def rows(database: Database, query: str) -> list[dict[str, Any]]:
    with database.connect() as connection:
        return connection.cursor(row_factory=dict_row).execute(query.encode()).fetchall()


def test_an_organization_is_set_up_from_nothing_by_commands(
    run: Run, migrated_database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    set_up(run)
    again = run("org", "create", "Globex", "--slug", "globex")
    assert again[1] == ["organization globex (Globex) was there already, nothing changed"]

    code, said, _ = run("user", "invite", "Rita@Example.com", "--role", "responder", "--name", "Rita")
    assert code == 0
    assert said[1] == "Rita@Example.com added as responder"
    password = said[0].rpartition(": ")[2]
    assert len(password) == 20
    assert run("user", "invite", "rita@example.com", "--role", "admin", "--name", "Rita")[1] == [
        "account rita@example.com was there already; its password stays as it is",
        "rita@example.com is here as responder, nothing changed",
    ]
    assert run("user", "role", "rita@example.com", "approver")[1] == ["rita@example.com is approver now"]
    assert run("user", "disable", "rita@example.com")[1] == ["rita@example.com is switched off now"]
    assert run("user", "disable", "rita@example.com")[1] == ["rita@example.com is switched off already"]
    assert run("user", "enable", "rita@example.com")[1] == ["rita@example.com is switched on now"]

    services, actions = tmp_path / "services.yml", tmp_path / "actions.yml"
    services.write_text(yaml.safe_dump([SERVICE]))
    actions.write_text(yaml.safe_dump([ACTION]))
    assert run("service", "apply", str(services))[1] == ["service payment-api added (version 1)"]
    assert run("service", "apply", str(services))[1] == ["service payment-api unchanged (version 1)"]
    assert run("catalogue", "apply", str(actions))[1] == [
        "action restart_service of payment-api added (version 1)"
    ]
    actions.write_text(yaml.safe_dump([ACTION | {"risk": "high"}]))
    assert run("catalogue", "apply", str(actions))[1] == [
        "action restart_service of payment-api changed (version 2)"
    ]
    (service,) = rows(migrated_database, "select approver_ids, owner from public.services")
    (hank,) = rows(migrated_database, "select user_id from public.profiles where role = 'admin'")
    assert service == {"approver_ids": [hank["user_id"]], "owner": "payments"}
    audited = rows(migrated_database, "select action, actor_name from public.audit_log order by id")
    assert [(row["action"], row["actor_name"]) for row in audited] == [
        ("organization.created", "set-up"),
        ("person.added", "set-up"),
        ("person.added", "Hank"),
        ("person.changed", "Hank"),
        ("person.changed", "Hank"),
        ("person.changed", "Hank"),
        ("service.added", "Hank"),
        ("action.added", "Hank"),
        ("action.changed", "Hank"),
    ]
    # The printed password is the account's, and an approver administers nothing.
    monkeypatch.setenv("INCIDENTSCRIBE_ADMIN_EMAIL", "rita@example.com")
    monkeypatch.setenv("INCIDENTSCRIBE_ADMIN_PASSWORD", password)
    code, said, error = run("user", "role", "rita@example.com", "admin")
    assert (code, said) == (1, [])
    assert error.startswith("Your role is approver; this needs admin or more.")
    # Nobody stays signed in behind a command.
    assert rows(migrated_database, "select from auth.sessions") == []


def test_the_files_in_the_manual_are_applied_as_they_stand(run: Run, tmp_path: Path) -> None:
    set_up(run)
    ana = ("user", "invite", "ana@acme.example", "--role", "approver", "--name", "Ana")
    assert run(*ana, "--password-from", "env:FIRST_PASSWORD")[0] == 0
    manual = (Path(__file__).parents[2] / "docs" / "administration.md").read_text()
    for command, block in zip(
        ("service", "catalogue"), re.findall(r"```yaml\n(.*?)```", manual, re.DOTALL), strict=True
    ):
        file = tmp_path / f"{command}.yml"
        file.write_text(block)
        code, said, error = run(command, "apply", str(file))
        assert code == 0, error
        assert said[0].endswith("added (version 1)")


def test_a_refusal_is_one_sentence_and_leaves_nothing_behind(
    run: Run, migrated_database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    set_up(run)

    def refused(*arguments: str) -> str:
        code, _, error = run(*arguments)
        assert code == 1
        assert error.count("\n") == 1
        return error

    homer = ("user", "invite", "homer@example.com", "--role", "admin", "--name", "Homer")
    assert "This organization has an admin" in refused(*homer, "--organization", "globex")
    assert "There is no organization acme." in refused(*homer, "--organization", "acme")
    assert "makes a first admin" in refused(*homer[:4], "viewer", *homer[5:], "--organization", "globex")
    assert "NOWHERE is not set" in refused(*homer, "--password-from", "env:NOWHERE")
    assert "Nobody changes their own role" in refused("user", "role", "hank@example.com", "viewer")
    assert "There is nobody with the address" in refused("user", "disable", "homer@example.com")
    assert "Supabase Auth did not accept this" in refused(
        "user", "invite", "homer", "--role", "viewer", "--name", "Homer"
    )
    assert "An organization has a name" in refused("org", "create", "Acme", "--slug", "A B")
    services = tmp_path / "services.json"
    services.write_text('[{"name": "a", "owner": "x"}, {"name": "b", "owner": "x", "tier": 9}]')
    assert refused("service", "apply", str(services)) == (
        "Entry 2: The service b cannot be used: tier must be between 1 and 4."
        " The entries before it are applied. Mend it and apply the file again.\n"
    )
    monkeypatch.setenv("INCIDENTSCRIBE_ADMIN_PASSWORD", "wrong")
    assert "Invalid login credentials" in refused(*homer)
    monkeypatch.delenv("INCIDENTSCRIBE_ADMIN_PASSWORD")
    assert "nobody is there to ask" in refused(*homer)
    assert rows(migrated_database, "select email from auth.users") == [{"email": "hank@example.com"}]
    assert rows(migrated_database, "select name from public.services") == [{"name": "a"}]


def test_the_audit_log_verifies_until_somebody_touches_it(
    run: Run, migrated_database: Database, tmp_path: Path
) -> None:
    set_up(run)
    code, lines, _ = run("audit", "head")
    assert code == 0
    kept = tmp_path / "heads.json"
    kept.write_text("\n".join(lines))
    code, lines, _ = run("audit", "verify", "--heads", str(kept))
    assert code == 0
    assert [line.split(":")[0] for line in lines] == ["(installation)", "globex"]

    with psycopg.connect(migrated_database.url()) as owner:
        owner.execute("alter table public.audit_log disable trigger user")
        owner.execute("update public.audit_log set actor_name = 'Nobody' where action = 'person.added'")
    code, lines, error = run("audit", "verify")
    assert code == 1
    assert "the entry is not the one that was written here" in "\n".join(lines)
    assert "tampered" in error


def test_a_file_without_heads_is_refused(run: Run, tmp_path: Path) -> None:
    wrong = tmp_path / "heads.json"
    wrong.write_text('{"a": 1}')
    code, _, error = run("audit", "verify", "--heads", str(wrong))
    assert code == 1
    assert "incidentscribe audit head" in error


def test_the_workers_are_held_looked_at_and_released_by_commands(
    run: Run, gateway_of_a_new_installation: RunningGateway, migrated_database: Database
) -> None:
    set_up(run)
    assert run("hold", "show")[1] == ["the workers are not on hold"]
    code, said, _ = run("hold", "begin", "--reason", "Restored the dump of 03:00")
    assert (code, said) == (0, ["the workers are on hold: they act on nothing until somebody releases them"])
    service = gateway_of_a_new_installation.client(gateway_of_a_new_installation.service_role_key)
    found = {
        "kestra_execution_id": "gone-1",
        "external_id": "INC-1\x1b[2J",
        "service": "payment-api",
        "state": "SUCCESS",
        "actions": [{"action_key": "restart_service", "outcome": "acted", "verified": True}],
    }
    service.rpc("begin_hold", {"worker": "w", "forgotten": [found]}).execute()
    code, said, _ = run("hold", "show")
    assert code == 0
    assert said[0].endswith("by Hank: Restored the dump of 03:00")
    assert said[1] == (
        "execution=gone-1 state=SUCCESS known=no incident=INC-1\ufffd[2J service=payment-api"
        " carried out: restart_service=acted"
    )
    code, said, _ = run("hold", "release", "--reason", "Looked")
    assert said == ["the workers act again; starts withdrawn: 0, approvals cancelled: 0"]
    code, _, error = run("hold", "release", "--reason", "Looked")
    assert code == 1
    assert "not on hold" in error
    [released] = rows(migrated_database, "select released_by_name, release_reason from public.holds")
    assert released == {"released_by_name": "Hank", "release_reason": "Looked"}
