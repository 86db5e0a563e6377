"""The demo's accounts, where the running sandbox names this desk's Supabase; nowhere else."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from dashboard.loopback import is_loopback
from dashboard.settings import WebSettings

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """An account of the sandbox; its password never leaves the server."""

    email: str
    name: str
    role: str
    password: str = field(repr=False)


def is_demo(settings: WebSettings) -> bool:
    """Whether this desk works on the running sandbox's Supabase."""
    return bool(list_sandbox_accounts(settings))


def list_demo_accounts(settings: WebSettings) -> Sequence[DemoAccount]:
    """The accounts to offer as buttons; none on a desk that others than this machine can reach."""
    return list_sandbox_accounts(settings) if is_loopback(settings.host) else ()


def list_sandbox_accounts(settings: WebSettings) -> Sequence[DemoAccount]:
    """The running sandbox's accounts: none unless its file names the Supabase that is used here."""
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
