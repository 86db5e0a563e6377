"""The demo's accounts, where the running sandbox names this desk's Supabase; nowhere else."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from dashboard.settings import WebSettings

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """An account of the sandbox; its password never leaves the server."""

    email: str
    name: str
    role: str
    password: str = field(repr=False)


def list_demo_accounts(settings: WebSettings) -> Sequence[DemoAccount]:
    """The accounts to offer as buttons: none unless the sandbox file names the Supabase that is used here."""
    try:
        text = settings.sandbox_file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ()
    except OSError as error:
        log.warning("The sandbox's file cannot be read: %s", error.strerror)
        return ()
    try:
        sandbox = json.loads(text)
        if str(sandbox["supabase"]["url"]).rstrip("/") != settings.supabase_url:
            return ()
        return [
            DemoAccount(
                email=str(account["email"]),
                name=str(account["name"]),
                role=str(account["role"]),
                password=str(account["password"]),
            )
            for account in sandbox["accounts"]
        ]
    except (ValueError, KeyError, TypeError):
        log.warning("The sandbox's file is not what the desk expects; no account buttons are shown.")
        return ()
