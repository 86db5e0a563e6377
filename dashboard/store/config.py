"""Settings that people wrote into the database; they win over the environment."""

from __future__ import annotations

from supabase import Client

from dashboard.store.connection import call, first


def find_written(client: Client, key: str) -> str | None:
    """The value a person wrote, or None; what a worker wrote from its environment is not one."""
    row = first(client.table("system_config").select("value,from_environment").eq("key", key).limit(1))
    return None if row is None or row["from_environment"] else str(row["value"])


def note_environment(service: Client, key: str, value: str) -> None:
    """Write what the environment has, so that there is a row to change; a person's value stays."""
    call(service, "first_config", {"key": key, "value": value})
