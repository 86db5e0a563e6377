"""Drafts: what a person is writing, for them alone."""

from __future__ import annotations

from supabase import Client

from dashboard.domain.draft import Draft, SaveReceipt, StoredDraft
from dashboard.store.connection import call, first
from dashboard.store.reading import understood


def find_draft(user: Client) -> StoredDraft | None:
    """The person's draft; None when there is none or it has expired."""
    row = first(user.table("drafts").select("content,version,saved_at").limit(1))
    return understood(StoredDraft, row) if row else None


def save_draft(user: Client, draft: Draft, version: int) -> SaveReceipt:
    """Keep a draft over the version that was seen, 0 for none. Raises StaleContent, InvalidInput."""
    answer = call(user, "save_draft", {"content": draft.model_dump(mode="json"), "version": version})
    return understood(SaveReceipt, answer)


def discard_draft(user: Client) -> None:
    """Forget the person's draft."""
    call(user, "discard_draft")
