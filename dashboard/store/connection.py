"""Supabase clients, one per identity, over one pool of connections.

A client is mutable per identity, so none is ever shared between people, none refreshes or keeps a
session by itself, and none signs in for others (supabase 2.34).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Protocol

import httpx
from supabase import Client, ClientOptions, create_client

from dashboard.loopback import DIRECT
from dashboard.settings import AnonSettings, ServiceSettings
from dashboard.store.refusals import translated

_TIMEOUT = httpx.Timeout(10.0, connect=3.0)
_LIMITS = httpx.Limits(max_connections=50, max_keepalive_connections=20)


def new_http_client(transport: httpx.BaseTransport | None = None) -> httpx.Client:
    """A pool of its own, for a thread that must not wait for others."""
    return httpx.Client(timeout=_TIMEOUT, limits=_LIMITS, transport=transport, mounts=DIRECT)


@lru_cache(maxsize=1)
def shared_http_client() -> httpx.Client:
    """The pool of this process. httpx clients are safe to share between threads."""
    return new_http_client()


def as_anon(settings: AnonSettings, http: httpx.Client | None = None) -> Client:
    """Nobody in particular: the session functions only."""
    return _client(settings.supabase_url, settings.supabase_anon_key.get_secret_value(), {}, http)


def as_user(
    settings: AnonSettings, token: str, http: httpx.Client | None = None, *, viewer: str | None = None
) -> Client:
    """The person whose access token this is; row level security sees them.

    `viewer` is the address of their browser, which the audit log keeps with what they do.
    """
    headers = {"Authorization": f"Bearer {token}"}
    if viewer:
        headers["X-Desk-Viewer"] = viewer
    return _client(settings.supabase_url, settings.supabase_anon_key.get_secret_value(), headers, http)


def as_service(settings: ServiceSettings, http: httpx.Client | None = None) -> Client:
    """The service role, which row level security does not hold. Never sign in on it."""
    key = settings.supabase_service_role_key.get_secret_value()
    return _client(settings.supabase_url, key, {}, http)


def _client(url: str, key: str, headers: dict[str, str], http: httpx.Client | None) -> Client:
    options = ClientOptions(
        headers=headers,
        auto_refresh_token=False,
        persist_session=False,
        postgrest_client_retry=False,
        httpx_client=http or shared_http_client(),
    )
    return create_client(url, key, options)


def call(client: Client, function: str, args: Mapping[str, Any] | None = None) -> Any:
    """Call a database function by name; the answer is its JSON. Raises errors of our tree only."""
    with translated():
        return client.rpc(function, dict(args or {})).execute().data


class Query(Protocol):
    """Any request builder of the client that answers a list of rows."""

    def execute(self) -> Any: ...


def rows(query: Query) -> list[dict[str, Any]]:
    """Run a query built with `client.table(…)`; the answer is its rows. Raises errors of our tree only."""
    with translated():
        return list(query.execute().data)


def first(query: Query) -> dict[str, Any] | None:
    """The first row, or None."""
    return next(iter(rows(query)), None)
