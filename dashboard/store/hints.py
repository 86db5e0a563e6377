"""Hints of the desk: how far the first story has come, and what people have put away."""

from __future__ import annotations

from supabase import Client

from dashboard.domain.first_story import FirstStory
from dashboard.store.connection import call
from dashboard.store.reading import understood


def find_first_story(user: Client) -> FirstStory | None:
    """How far it has come; None for somebody who has put it away."""
    row = call(user, "first_story")
    return understood(FirstStory, row) if row else None


def dismiss_first_story(user: Client) -> None:
    """Put it away, for this person, for good."""
    call(user, "dismiss_hint", {"hint": "first_story"})
