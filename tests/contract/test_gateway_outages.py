"""The gateway without its Postgres, and Postgres without its gateway."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from postgrest.exceptions import APIError

from tests.support.gateway import start_gateway
from tests.support.postgres import Database, free_port, new_passwords, start_postgres
from tests.support.until import until


def test_it_starts_first_waits_and_survives_a_restart_of_postgres(tmp_path: Path) -> None:
    port, passwords = free_port(), new_passwords()
    gateway = start_gateway(Database(port, "postgres", passwords))
    try:
        client = gateway.client(gateway.service_role_key)

        def works() -> bool:
            health = gateway.http.get(f"{gateway.url}/health")
            with pytest.raises(APIError, match=r"PGRST000|PGRST205") as answered:
                client.table("nothing_here").select("*").execute()
            up = answered.value.code == "PGRST205"
            assert health.status_code == (200 if up else 503), health.text
            return up

        assert not works()
        for _ in range(2):
            postgres = start_postgres(tmp_path / "data", port, passwords)
            try:
                assert works()
            finally:
                postgres.stop()
            assert not works()
    finally:
        code = gateway.stop()

    assert code == 0


def test_it_stops_soon_and_takes_back_what_it_was_doing(gateway_database: Database) -> None:
    gateway = start_gateway(gateway_database)
    client = gateway.client(gateway.service_role_key)
    waiting = """
        select from pg_stat_activity
        where query like '%wait_for%' and state = 'active' and pid <> pg_backend_pid()
    """
    with gateway_database.connect("supabase_admin") as connection, ThreadPoolExecutor(1) as pool:
        slow = pool.submit(client.rpc("wait_for", {"seconds": 7}).execute)
        until(lambda: connection.execute(waiting).rowcount, "the statement runs", every=0.02)
        stopped_at = time.monotonic()
        code = gateway.stop()

        assert (code, slow.exception() is not None) == (0, True)
        assert time.monotonic() - stopped_at < 4
        assert connection.execute(waiting).rowcount == 0


def test_statements_cut_off_by_a_stop_answer_503(tmp_path: Path) -> None:
    postgres = start_postgres(tmp_path / "data")
    gateway = None
    try:
        with postgres.database().connect("supabase_admin") as connection:
            connection.execute(
                "create function leave() returns void language plpgsql security definer as "
                "$$ begin perform pg_terminate_backend(pg_backend_pid()); end $$"
            )
            connection.execute("grant execute on function leave() to anon")
        gateway = start_gateway(postgres.database())
        with pytest.raises(APIError) as cut:
            gateway.client().rpc("leave").execute()
        assert cut.value.code in ("57P01", "PGRST001")
        assert gateway.http.get(f"{gateway.url}/health").status_code == 200
    finally:
        if gateway is not None:
            gateway.stop()
        postgres.stop()
