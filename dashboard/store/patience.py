"""How long somebody waits in front of a screen."""

from __future__ import annotations

from functools import lru_cache

import httpx

from dashboard.store.connection import new_http_client

# After three seconds last known data with their age are worth more than waiting on.
_SCREEN = httpx.Timeout(3.0, connect=2.0)


@lru_cache(maxsize=1)
def screen_http_client() -> httpx.Client:
    """A pool of connections for what pages read; what people decide or hand in has more time."""
    client = new_http_client()
    client.timeout = _SCREEN
    return client
