"""What would happen to an incident, asked before it is submitted."""

from __future__ import annotations

from supabase import Client

from dashboard.domain.preview import Preview
from dashboard.store.connection import call
from dashboard.store.reading import understood


def preview_submission(
    user: Client, service: str, severity: str = "", title: str = "", external_id: str = ""
) -> Preview:
    """By the rules that decide it afterwards; a moment later they may say something else."""
    asked = {
        "service": service,
        "severity": severity or None,
        "title": title or None,
        "external_id": external_id or None,
    }
    return understood(Preview, call(user, "preview_submission", asked))
