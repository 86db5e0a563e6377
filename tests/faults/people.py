"""People with the desk's own client on a bad network: who got no answer presses again, then looks."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import httpx
import jwt
from pydantic import SecretStr
from supabase import Client

from dashboard.errors import Conflict, UpstreamUnreachable
from dashboard.settings import AnonSettings
from dashboard.store.connection import as_user
from sandbox.supabase.keys import anon_key
from tests.sql.desk import Person

T = TypeVar("T")
_TRIES = 6


def client_of(person: Person, supabase_url: str, secret: str, http: httpx.Client) -> Client:
    """The client that the desk makes for a signed-in person."""
    claims = {"sub": person.id, "role": "authenticated", "exp": int(time.time()) + 3_600}
    settings = AnonSettings(supabase_url=supabase_url, supabase_anon_key=SecretStr(anon_key(secret)))
    return as_user(settings, jwt.encode(claims, secret, algorithm="HS256"), http)


def press(call: Callable[[], T]) -> T | None:
    """The answer; None where the world has moved on, perhaps by this very press, whose answer was lost."""
    for _ in range(_TRIES):
        try:
            return call()
        except UpstreamUnreachable:
            continue
        except Conflict:
            return None
    raise AssertionError(f"no answer after {_TRIES} presses")
