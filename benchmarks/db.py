"""`make bench-db`: the desk's lists at 1,000 and at 100,000 incidents, their plans, the gateway's cost.

Every figure is the median of `_RUNS` calls of the store's own functions through the gateway, in ms.
A ratio near 1 means that the list does not feel how much lies behind it. Plans are those of auto_explain,
taken from the server's log while the functions ran; a large table read from end to end is named.
"""

import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import jwt
import psycopg
from psycopg import sql
from pydantic import SecretStr
from supabase import Client

from dashboard.domain.clock import utc_now
from dashboard.domain.listing import ApprovalFilters, IncidentFilters
from dashboard.domain.period import ending
from dashboard.settings import WebSettings
from dashboard.store import approvals, cases, incidents, insights, overview, postmortems
from dashboard.store.connection import as_user
from tests.sql.desk import Desk
from tests.support.gateway import RunningGateway, start_gateway
from tests.support.postgres import (
    Database,
    RunningPostgres,
    free_port,
    migrated_template,
    new_passwords,
    scratch_database,
)

_SIZES = (1_000, 100_000)
_RUNS = 31
_LARGE = (
    "incidents",
    "incident_events",
    "executions",
    "ai_analyses",
    "approvals",
    "outbox",
    "audit_log",
    "action_runs",
)

_FILL = Path(__file__).with_name("fill.sql").read_text()
_WAIT = Path(__file__).with_name("wait.sql").read_text()


def fill(database: Database, size: int) -> Desk:
    desk = Desk(database.url())
    values = {"organization": desk.organization, "service": desk.service, "size": size}
    with psycopg.connect(database.url("supabase_admin"), autocommit=True) as superuser:
        for statement in _FILL.split(";\n"):
            if statement.strip():
                superuser.execute(statement.encode(), values if "%(" in statement else None)
        superuser.execute("vacuum analyze")
    return desk


@contextmanager
def _quiet_gateway(database: Database) -> Iterator[RunningGateway]:
    """One whose connections log no plans: those of a thousand rules would be most of what is measured."""
    with psycopg.connect(database.url("supabase_admin"), autocommit=True) as superuser:
        statement = sql.SQL("alter database {} set auto_explain.log_min_duration = -1")
        superuser.execute(statement.format(sql.Identifier(database.name)))
    gateway = start_gateway(database)
    try:
        yield gateway
    finally:
        gateway.stop()


def _token(secret: str, person: str) -> str:
    claims = {"sub": person, "role": "authenticated", "aud": "authenticated", "exp": int(time.time()) + 3600}
    return jwt.encode(claims, secret, algorithm="HS256")


def _median_ms(act: Callable[[], object]) -> float:
    act()
    taken = []
    for _ in range(_RUNS):
        began = time.perf_counter()
        act()
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken)


def _let_wait(desk: Desk, database: Database) -> None:
    """The newest thousand proposals wait, and twenty people more may decide them."""
    for number in range(20):
        desk.person(f"Approver {number}", "approver")
    with psycopg.connect(database.url("supabase_admin"), autocommit=True) as superuser:
        for statement in _WAIT.split(";\n"):
            if statement.strip():
                superuser.execute(statement.encode())


def _inbox(desk: Desk, gateway: RunningGateway) -> dict[str, Callable[[], object]]:
    """What an approver reads while a thousand proposals wait."""
    client = _client(desk, gateway)
    pending = ApprovalFilters(statuses=("pending",))
    return {
        "1,000 wait: mine and others'": lambda: approvals.list_waiting(client),
        "1,000 wait: number in the menu": lambda: approvals.count_waiting(client),
        "1,000 wait: list, first page": lambda: approvals.list_page(client, pending),
        "1,000 wait: list, last page": lambda: approvals.list_page(client, pending, 20),
        "1,000 wait: Overview": lambda: overview.get_overview(client),
    }


def _client(desk: Desk, gateway: RunningGateway) -> Client:
    settings = WebSettings.load(
        kestra_password=SecretStr("-"),
        supabase_url=gateway.url,
        supabase_anon_key=SecretStr(gateway.anon_key),
    )
    return as_user(settings, _token(gateway.jwt_secret, desk.ana.id))


def _lists(desk: Desk, gateway: RunningGateway) -> dict[str, Callable[[], object]]:
    client = _client(desk, gateway)
    today = utc_now().date()
    one = str(desk.row("select id from incidents where external_id = 'INC-5'")["id"])
    word = str(desk.row("select title from incidents where external_id = 'INC-7'")["title"])[-12:]
    rare = str(desk.row("select title from incidents where external_id = 'INC-57'")["title"])[-12:]
    return {
        "Overview: what moves": lambda: overview.get_overview(client),
        "Overview: last 24 hours": lambda: overview.get_trend(client),
        "Approvals: waiting": lambda: approvals.list_waiting(client),
        "Incidents: first page": lambda: incidents.list_incidents(client),
        "Incidents: open ones": lambda: incidents.list_incidents(
            client, IncidentFilters(statuses=("investigating",))
        ),
        "Incidents: of one severity": lambda: incidents.list_incidents(
            client, IncidentFilters(severities=("HIGH",))
        ),
        "Incidents: mine": lambda: incidents.list_incidents(client, IncidentFilters(mine=True)),
        "Incidents: search": lambda: incidents.list_incidents(client, IncidentFilters(search=word)),
        "Incident: case": lambda: cases.get_case(client, one),
        "Incident: findings": lambda: cases.get_findings(client, one),
        "Approvals: settled": lambda: approvals.list_page(client, ApprovalFilters(statuses=("expired",))),
        "Postmortems: first page": lambda: postmortems.search_postmortems(client),
        "Postmortems: of one severity": lambda: postmortems.search_postmortems(client, severities=["HIGH"]),
        "Postmortems: a rare word": lambda: postmortems.search_postmortems(client, search=rare),
        "Postmortems: a common phrase": lambda: postmortems.search_postmortems(
            client, search='"pool is exhausted"'
        ),
        "Postmortem: document": lambda: postmortems.find_analysis(client, one),
        "Insights: one day": lambda: insights.get_insights(client, ending(today, 1)),
        "Insights: 30 days": lambda: insights.get_insights(client, ending(today, 30)),
        "Insights: a year": lambda: insights.get_insights(client, ending(today, 365)),
    }


def _scans(log: str) -> set[str]:
    """Large tables that a plan in the log reads from end to end."""
    return set(re.findall(r"Seq Scan on (\w+)", log)) & set(_LARGE)


def _gateway_cost(desk: Desk, gateway: RunningGateway) -> tuple[float, float]:
    """One incident by id, in ms: through the gateway, and the same statement on a connection of one's own."""
    one = str(desk.row("select id from incidents where external_id = 'INC-5'")["id"])
    token = _token(gateway.jwt_secret, desk.ana.id)
    headers = {"apikey": gateway.anon_key, "Authorization": f"Bearer {token}"}
    address = f"{gateway.url}/rest/v1/incidents?select=id,title,status&id=eq.{one}"
    through = _median_ms(lambda: gateway.http.get(address, headers=headers).raise_for_status())
    claims = f'{{"sub": "{desk.ana.id}", "role": "authenticated"}}'
    with psycopg.connect(desk.url) as connection:

        def directly() -> object:
            with connection.transaction():
                connection.execute("select set_config('role', 'authenticated', true)")
                connection.execute("select set_config('request.jwt.claims', %s, true)", [claims])
                query = (
                    "select json_agg(r) from (select id, title, status from public.incidents where id = %s) r"
                )
                return connection.execute(query, [one]).fetchone()

        return through, _median_ms(directly)


def _say(line: str = "") -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    figures: dict[str, list[float]] = {}
    scans: dict[str, set[str]] = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        Path(folder).chmod(0o711)
        explain = (
            "session_preload_libraries=auto_explain",
            "auto_explain.log_min_duration=0",
            "auto_explain.log_nested_statements=on",
        )
        settings = [part for setting in explain for part in ("--setting", setting)]
        postgres = RunningPostgres(Path(folder) / "data", free_port(), new_passwords(), *settings)
        try:
            with postgres.database("template1").connect("supabase_admin") as superuser:
                superuser.execute("create database blank template postgres owner postgres")
            template = migrated_template(postgres)
            cost = (0.0, 0.0)
            for size in _SIZES:
                with scratch_database(postgres, template) as database:
                    _say(f"filling a database with {size:,} incidents …")
                    desk = fill(database, size)
                    gateway = start_gateway(database)
                    try:
                        for name, act in _lists(desk, gateway).items():
                            at = postgres.log.stat().st_size
                            figures.setdefault(name, []).append(_median_ms(act))
                            if size == max(_SIZES):
                                scans[name] = _scans(postgres.log.read_bytes()[at:].decode(errors="replace"))
                        cost = _gateway_cost(desk, gateway)
                        _let_wait(desk, database)
                        for name, act in _inbox(desk, gateway).items():
                            at = postgres.log.stat().st_size
                            act()
                            scans[name] = _scans(postgres.log.read_bytes()[at:].decode(errors="replace"))
                    finally:
                        gateway.stop()
                    with _quiet_gateway(database) as gateway:
                        for name, act in _inbox(desk, gateway).items():
                            figures.setdefault(name, []).append(_median_ms(act))
        finally:
            postgres.stop()
    _print(figures, scans, cost)


def _print(figures: dict[str, list[float]], scans: dict[str, set[str]], cost: tuple[float, float]) -> None:
    title, (few, many) = f"median of {_RUNS} calls", _SIZES
    _say(f"\n{title:<32}{few:>10,}{many:>10,}{'ratio':>8}   read from end to end")
    for name, (small, large) in figures.items():
        read = ", ".join(sorted(scans[name])) or "nothing"
        _say(f"{name:<32}{small:>8.1f} ms{large:>7.1f} ms{large / small:>8.2f}   {read}")
    through, directly = cost
    _say(f"\none row by id: {through:.2f} ms through the gateway, {directly:.2f} ms directly")
    _say(f"ratio {through / directly:.1f}")


if __name__ == "__main__":
    main()
