"""What is removed of incidents that ended long ago. With the service role."""

from __future__ import annotations

from supabase import Client

from dashboard.store.connection import call


def empty_incidents(service: Client, most: int) -> int:
    """Remove what is bulky of at most so many incidents; of how many it was. 0 where all is kept."""
    return int(call(service, "empty_incidents", {"n": most})["emptied"])
