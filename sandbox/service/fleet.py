"""The services and what happens to them, kept in one SQLite file so that counts survive a restart."""

import json
import sqlite3
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

NAMES = (
    "payment-api",
    "checkout-web",
    "identity-api",
    "inventory-api",
    "search-api",
    "catalog-api",
    "pricing-api",
    "shipping-api",
    "support-portal",
    "event-stream",
    "mail-worker",
    "image-resizer",
    "report-worker",
)
DEGRADED_AT_FIRST = "payment-api"

RESTART_SECONDS = 0.5
LEAK_SECONDS = 600.0
WORST_ERROR_RATE = 0.45
BEST_LATENCY_MS = 40.0
WORST_LATENCY_MS = 2400.0
HEALTHY_BELOW = 0.05

_TABLES = """
create table if not exists services (
  name text primary key, instances integer not null, restarts integer not null, started_at real not null
);
create table if not exists answers (key text primary key, request text not null, answer text not null);
"""


class UnknownServiceError(LookupError):
    """No service of that name is run here."""


class KeyReusedError(ValueError):
    """The idempotency key was used before, for another request."""


@dataclass(frozen=True)
class Health:
    """What one service looks like at one moment.

    `error_rate` is a share from 0 to 1, `started_at` the end of the last restart (UTC, ISO 8601).
    """

    name: str
    state: str
    healthy: bool
    error_rate: float
    latency_ms: float
    instances: int
    restarts: int
    started_at: str


class Fleet:
    """All services. Connections leak: the longer a service runs, the more requests fail, until a restart.

    `now` answers seconds since the epoch; tests hand in their own clock.
    """

    def __init__(self, folder: Path, now: Callable[[], float]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._now = now
        self._database = sqlite3.connect(folder / "service.sqlite", isolation_level=None)
        self._database.executescript(_TABLES)
        for name in NAMES:
            age = LEAK_SECONDS if name == DEGRADED_AT_FIRST else 0.0
            self._database.execute("insert or ignore into services values (?, 2, 0, ?)", (name, now() - age))

    def close(self) -> None:
        self._database.close()

    def health(self, name: str) -> Health:
        """Raises UnknownServiceError."""
        row = self._database.execute(
            "select instances, restarts, started_at from services where name = ?", (name,)
        ).fetchone()
        if row is None:
            raise UnknownServiceError(name)
        instances, restarts, started_at = row
        age = self._now() - started_at
        leaked = min(1.0, max(0.0, age / LEAK_SECONDS) ** 2)
        error_rate = 1.0 if age < 0 else WORST_ERROR_RATE * leaked
        return Health(
            name=name,
            state="restarting" if age < 0 else "running",
            healthy=error_rate < HEALTHY_BELOW,
            error_rate=round(error_rate, 4),
            latency_ms=round(BEST_LATENCY_MS + (WORST_LATENCY_MS - BEST_LATENCY_MS) * leaked, 1),
            instances=instances,
            restarts=restarts,
            started_at=datetime.fromtimestamp(started_at, UTC).isoformat(timespec="milliseconds"),
        )

    def restarts(self) -> dict[str, int]:
        return dict(self._database.execute("select name, restarts from services order by name").fetchall())

    def restart(self, name: str, instances: int, key: str) -> tuple[dict[str, object], bool]:
        """Begins a restart and keeps its answer under the idempotency key, in one transaction.

        Returns the answer and whether something was restarted: the same key answers the stored answer and
        restarts nothing. Raises UnknownServiceError, KeyReusedError.
        """
        request = json.dumps([name, instances])
        with self._database:
            self._database.execute("begin immediate")
            stored = self._database.execute(
                "select request, answer from answers where key = ?", (key,)
            ).fetchone()
            if stored is not None:
                if stored[0] != request:
                    raise KeyReusedError(key)
                return json.loads(stored[1]), False
            changed = self._database.execute(
                "update services set instances = ?, restarts = restarts + 1, started_at = ? where name = ?",
                (instances, self._now() + RESTART_SECONDS, name),
            )
            if changed.rowcount == 0:
                raise UnknownServiceError(name)
            answer = {"restarted": name, **asdict(self.health(name))}
            self._database.execute("insert into answers values (?, ?, ?)", (key, request, json.dumps(answer)))
        return answer, True
