"""What this process counts, in Prometheus' terms. Labels are words of ours only, never text from outside."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import metadata

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Info,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from dashboard.domain.system import MetricsReport

# When a counter began to count is no number that anybody asked for.
disable_created_metrics()  # type: ignore[no-untyped-call]
registry = CollectorRegistry()
CONTENT_TYPE = CONTENT_TYPE_LATEST

ProcessCollector(registry=registry)
Info("incidentscribe_build", "Which version this is.", registry=registry).info(
    {"version": metadata.version("incidentscribe")}
)

OUTBOX_OWED = Gauge(
    "incidentscribe_outbox_owed",
    "Rows owed to Kestra and to people, as the worker last saw them.",
    ["kind"],
    registry=registry,
)
OUTBOX_STUCK = Gauge(
    "incidentscribe_outbox_stuck",
    "Those of them that have failed for two minutes or more.",
    ["kind"],
    registry=registry,
)
OUTBOX_OLDEST_SECONDS = Gauge(
    "incidentscribe_outbox_oldest_seconds",
    "Age of the oldest row that is owed; 0 where none is.",
    ["kind"],
    registry=registry,
)
APPROVALS = Gauge(
    "incidentscribe_approvals", "Approvals of all organizations by status.", ["status"], registry=registry
)
RUNS_LIVE = Gauge("incidentscribe_runs_live", "Executions that have not ended.", registry=registry)
INCIDENTS_OPEN = Gauge("incidentscribe_incidents_open", "Incidents that are not over.", registry=registry)
DELIVERIES = Counter(
    "incidentscribe_deliveries",
    "Attempts of this worker to do what is owed.",
    ["kind", "outcome"],
    registry=registry,
)
REQUESTS = Counter(
    "incidentscribe_requests",
    "Requests to Kestra and Supabase; refused is an answer that says no, unreachable no usable answer.",
    ["service", "outcome"],
    registry=registry,
)
LOG_RECORDS = Counter(
    "incidentscribe_log_records", "Lines of the log at warning and above.", ["level"], registry=registry
)
FOLLOWERS = Gauge(
    "incidentscribe_followers", "Executions and logs that this desk follows at Kestra.", registry=registry
)
LIVE_SOCKETS = Gauge("incidentscribe_live_sockets", "Open pages that are told of news.", registry=registry)
WORKER_BEAT_SECONDS = Gauge(
    "incidentscribe_worker_beat_timestamp_seconds",
    "When the worker of this process last told the database that it is alive; 0 where there is none.",
    registry=registry,
)
KESTRA_ADDRESS_REFUSED = Gauge(
    "incidentscribe_kestra_address_refused",
    "1 while the worker of this process refuses the KESTRA_URL of system_config.",
    registry=registry,
)

for _service in ("kestra", "supabase"):
    for _outcome in ("ok", "refused", "unreachable"):
        REQUESTS.labels(_service, _outcome)
for _level in ("warning", "error"):
    LOG_RECORDS.labels(_level)


def exposition() -> bytes:
    """Everything, as Prometheus reads it."""
    return generate_latest(registry)


def is_bearer(authorization: str, token: str) -> bool:
    """Whether that header carries the token; how long this takes tells nothing of it."""
    return hmac.compare_digest(authorization.encode(), f"Bearer {token}".encode())


def show_report(report: MetricsReport) -> None:
    """What the worker has just read from the database."""
    for gauge in (OUTBOX_OWED, OUTBOX_STUCK, OUTBOX_OLDEST_SECONDS, APPROVALS):
        gauge.clear()
    for owed in report.outbox:
        OUTBOX_OWED.labels(owed.kind).set(owed.owed)
        OUTBOX_STUCK.labels(owed.kind).set(owed.stuck)
        OUTBOX_OLDEST_SECONDS.labels(owed.kind).set(owed.oldest_seconds)
    for status, count in report.approvals.items():
        APPROVALS.labels(status).set(count)
    RUNS_LIVE.set(report.runs_live)
    INCIDENTS_OPEN.set(report.incidents_open)


def count_request(service: str, outcome: str) -> None:
    """One request to `kestra` or `supabase`; the outcome is ok, refused or unreachable."""
    REQUESTS.labels(service, outcome).inc()


@contextmanager
def counting(service: str, is_refusal: Callable[[Exception], bool]) -> Iterator[None]:
    """Count what happens inside as one request; `is_refusal` tells an answer that says no from none."""
    try:
        yield
    except Exception as error:
        count_request(service, "refused" if is_refusal(error) else "unreachable")
        raise
    count_request(service, "ok")


class CountRecords(logging.Handler):
    """Counts lines of the log at warning and above."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)

    def emit(self, record: logging.LogRecord) -> None:
        LOG_RECORDS.labels("error" if record.levelno >= logging.ERROR else "warning").inc()
