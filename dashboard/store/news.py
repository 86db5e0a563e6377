"""Whether anything changed: a number per organization that grows with every change of its rows."""

from __future__ import annotations

from supabase import Client

from dashboard.store.connection import call


def read_news(user: Client) -> int:
    """The number of the signed-in person's organization. Raises UpstreamUnreachable, NotSignedIn."""
    return int(call(user, "news"))
