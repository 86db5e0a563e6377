"""Connections as `authenticator`, and the transaction of one request."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from queue import Empty, LifoQueue
from threading import BoundedSemaphore, Event, Lock
from typing import Any

import psycopg
from psycopg import sql

from sandbox.supabase.gateway.catalogue import Catalogue, load_catalogue
from sandbox.supabase.gateway.errors import ApiError, unreachable
from sandbox.supabase.gateway.settings import GatewaySettings
from sandbox.supabase.gateway.whole import Statement

_CONNECTIONS = 20
_WAIT_SECONDS = 10
_SEARCH_PATH = "public, extensions"


@dataclass(frozen=True)
class Asker:
    """Who asks what, as the database sees it: token claims with `role`, method, path, lower-case headers."""

    claims: Mapping[str, Any]
    method: str
    path: str
    headers: Mapping[str, str]

    @property
    def role(self) -> str:
        return str(self.claims["role"])


@dataclass(frozen=True)
class Answer:
    """The one row of a statement. `body` is JSON text made by Postgres."""

    body: str
    rows: int
    total: int | None
    inserted: int | None
    headers: str | None
    status: str | None


class Transaction:
    """An open transaction, still as `authenticator` until `run` takes the asker's role."""

    def __init__(self, connection: psycopg.Connection, database: "Database") -> None:
        self._connection = connection
        self._database = database

    def catalogue(self) -> Catalogue:
        """What the schema holds, from memory while nothing was said to have changed."""
        return self._database.catalogue(self._connection)

    def reload(self) -> Catalogue:
        """The same, read again."""
        self._database.forget_catalogue()
        return self.catalogue()

    def run(self, statement: Statement, asker: Asker, *, read_only: bool) -> Answer:
        """Takes the asker's role, settings and claims, then runs the statement."""
        settings = [
            ("search_path", _SEARCH_PATH),
            *self.catalogue().role_settings.get(asker.role, ()),
            ("role", asker.role),
            ("request.jwt.claims", json.dumps(asker.claims)),
            ("request.method", asker.method),
            ("request.path", asker.path),
            ("request.headers", json.dumps(asker.headers)),
        ]
        if read_only:
            settings.append(("transaction_read_only", "on"))
        calls = sql.SQL(", ").join(
            sql.SQL("set_config(${}, ${}, true)").format(sql.SQL(str(place)), sql.SQL(str(place + 1)))
            for place in range(1, 2 * len(settings), 2)
        )
        with psycopg.RawCursor(self._connection) as cursor:
            cursor.execute(sql.SQL("select ") + calls, [text for pair in settings for text in pair])
            cursor.execute(statement.sql, statement.values)
            row = cursor.fetchone()
        if row is None:
            raise RuntimeError("The statement of a request answered no row.")
        body, rows, total, inserted, headers, status = row
        return Answer(body, rows, total, None if inserted is None else int(inserted), headers, status)


class Database:
    """A pool that connects when asked, so that it starts without Postgres and outlives its restarts.

    psycopg_pool is not used because it reconnects in the background with growing pauses: after an outage of
    minutes the first requests would still be refused.
    """

    def __init__(self, settings: GatewaySettings) -> None:
        self._settings = settings
        self._idle: LifoQueue[psycopg.Connection] = LifoQueue()
        self._busy: set[psycopg.Connection] = set()
        self._slots = BoundedSemaphore(_CONNECTIONS)
        self._lock = Lock()
        self._catalogue: Catalogue | None = None
        self._changed = Event()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Begins; commits at the end, rolls back on any error.

        Raises PGRST000 if Postgres cannot be reached, PGRST003 if all connections stay busy.
        """
        if not self._slots.acquire(timeout=_WAIT_SECONDS):
            raise ApiError(
                504,
                "PGRST003",
                "Timed out acquiring connection from connection pool.",
                f"All {_CONNECTIONS} were busy for {_WAIT_SECONDS} s.",
            )
        try:
            connection = self._begun()
            self._busy.add(connection)
            try:
                yield Transaction(connection, self)
                connection.execute("commit")
            except BaseException:
                if not connection.closed:
                    connection.execute("rollback")
                raise
            finally:
                self._busy.discard(connection)
                if not connection.closed:
                    self._idle.put(connection)
        finally:
            self._slots.release()

    def close(self) -> None:
        """Cancels running statements, so that their threads roll back and end; closes idle connections."""
        for connection in tuple(self._busy):
            # Where Postgres cannot be reached, nothing is left to cancel.
            with suppress(psycopg.Error):
                connection.cancel_safe(timeout=1)
        while True:
            try:
                self._idle.get_nowait().close()
            except Empty:
                return

    def catalogue(self, connection: psycopg.Connection) -> Catalogue:
        with self._lock:
            if self._changed.is_set():
                # Cleared before the load: a change during it is loaded next time.
                self._changed.clear()
                self._catalogue = None
            if self._catalogue is None:
                self._catalogue = load_catalogue(connection)
            return self._catalogue

    def forget_catalogue(self) -> None:
        """Has it loaded anew at the next request; takes no lock, for it is called in the middle of others."""
        self._changed.set()

    def _begun(self) -> psycopg.Connection:
        """A connection inside a new transaction; idle ones that a restart has cut are thrown away."""
        while True:
            try:
                connection = self._idle.get_nowait()
            except Empty:
                break
            try:
                connection.execute("begin")
            except psycopg.OperationalError:
                connection.close()
            else:
                return connection
        try:
            connection = self._connect()
            connection.execute("begin")
        except psycopg.OperationalError as error:
            raise unreachable(error) from error
        return connection

    def _connect(self) -> psycopg.Connection:
        connection = psycopg.connect(
            host="127.0.0.1",
            port=self._settings.database_port,
            dbname=self._settings.database,
            user="authenticator",
            password=self._settings.authenticator_password or None,
            application_name="incidentscribe-gateway",
            connect_timeout=3,
            autocommit=True,
            # Statements planned before a migration must not be used after it.
            prepare_threshold=None,
        )
        # Whichever connection hears of a changed schema, says so to all.
        connection.add_notify_handler(lambda _notice: self.forget_catalogue())
        connection.execute("listen pgrst")
        return connection
