"""The sandbox's Auth on a port of its own, and the unmodified client in front of it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import jwt
import pytest
import uvicorn
from starlette.applications import Starlette
from supabase import Client, ClientOptions, create_client
from supabase_auth.errors import AuthApiError

from sandbox.supabase.auth.app import auth_routes
from sandbox.supabase.auth.rules import Rules
from sandbox.supabase.gateway.settings import GatewaySettings
from tests.support.postgres import Database, free_port
from tests.support.until import until

SECRET = "a secret of these tests, long enough for HS256"
PASSWORD = "correct horse"
# Hashing at its cheapest: nothing here is to be kept secret.
FAST = Rules(bcrypt_cost=4, sign_ins=1000, refreshes=1000)

VERSION = {"X-Supabase-Api-Version": "2024-01-01"}


def signed(claims: dict[str, Any], secret: str = SECRET) -> str:
    """A token with those claims, of one hour unless they say otherwise."""
    return jwt.encode({"exp": int(time.time()) + 3600, **claims}, secret, "HS256")


def refused(error: "pytest.ExceptionInfo[AuthApiError]") -> tuple[int, str | None]:
    """Status and code of what the client raised."""
    return error.value.status, error.value.code


def code_of(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of an error that did not pass through the client."""
    assert answer.headers["x-sb-error-code"] == answer.json()["code"]
    return answer.status_code, answer.json()["code"]


@dataclass(frozen=True)
class AuthServer:
    """One running Auth; `http` is shared by all clients and needs the full path."""

    url: str
    database: Database
    http: httpx.Client

    def client(self, key: str) -> Client:
        """A client of its own identity."""
        options = ClientOptions(auto_refresh_token=False, persist_session=False, httpx_client=self.http)
        return create_client(self.url, key, options)

    def anon(self) -> Client:
        return self.client(signed({"iss": "supabase-demo", "role": "anon"}))

    def admin(self) -> Any:
        """The part of a client with the service key that administers users."""
        return self.client(signed({"iss": "supabase-demo", "role": "service_role"})).auth.admin

    def person(self, email: str = "mia@example.com", **more: Any) -> str:
        """A confirmed user with `PASSWORD`; answers the id."""
        attributes = {"email": email, "password": PASSWORD, "email_confirm": True, **more}
        return str(self.admin().create_user(attributes).user.id)

    def sign_in(self, password: str = PASSWORD, email: str = "mia@example.com") -> Any:
        """What a client of its own gets; `.session` and `.user` are there."""
        return self.anon().auth.sign_in_with_password({"email": email, "password": password})

    def signed_in(self, email: str = "mia@example.com") -> Client:
        """A client that signed in with `PASSWORD`."""
        client = self.anon()
        client.auth.sign_in_with_password({"email": email, "password": PASSWORD})
        return client

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """A request without the client, for what it would not send."""
        return self.http.request(method, f"{self.url}/auth/v1{path}", **more)

    def execute(self, statement: str) -> None:
        """As the owner of the tables, behind the server's back."""
        with self.database.connect("supabase_auth_admin") as connection:
            connection.execute(statement.encode())


@contextmanager
def auth_server(database: Database, rules: Rules = FAST) -> Iterator[AuthServer]:
    """Serves in a thread while the block runs."""
    settings = GatewaySettings(
        port=free_port(),
        database_port=database.port,
        jwt_secret=SECRET,
        auth_password=database.passwords["SANDBOX_AUTH_PASSWORD"],
        database=database.name,
    )
    config = uvicorn.Config(
        Starlette(routes=[*auth_routes(settings, rules)]),
        port=settings.port,
        log_level="warning",
        lifespan="off",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started, "Auth listens", every=0.01)
        with httpx.Client(timeout=20) as http:
            yield AuthServer(settings.url, database, http)
    finally:
        server.should_exit = True
        thread.join()
