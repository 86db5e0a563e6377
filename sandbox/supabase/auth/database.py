"""The connections of this part, as the role that owns the tables of schema auth."""

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import Connection
from psycopg_pool import ConnectionPool

from sandbox.supabase.gateway.settings import GatewaySettings

_ROLE = "supabase_auth_admin"
_MOST_CONNECTIONS = 4
_WAIT_SECONDS = 3.0
# Given up soon and tried afresh by the next request: a pool that goes on by itself doubles its waits, and
# would miss the return of a Postgres that was away for a while.
_RECONNECT_SECONDS = 2.0


class Database:
    """Connects at the first transaction, and again after a restart of Postgres."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._pool = ConnectionPool(
            kwargs={
                "host": "127.0.0.1",
                "port": settings.database_port,
                "dbname": settings.database,
                "user": _ROLE,
                "password": settings.auth_password or None,
                "application_name": "auth",
            },
            min_size=0,
            max_size=_MOST_CONNECTIONS,
            open=False,
            check=ConnectionPool.check_connection,
            timeout=_WAIT_SECONDS,
            reconnect_timeout=_RECONNECT_SECONDS,
            name="auth",
        )

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One transaction: committed at the end of the block, rolled back by an exception.

        Raises psycopg_pool.PoolTimeout when there is no connection to be had.
        """
        self._pool.open()
        with self._pool.connection() as connection:
            yield connection
