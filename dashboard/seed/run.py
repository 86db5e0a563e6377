"""Filling a database with the demo; running it again changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

import httpx
from supabase import Client

from dashboard.domain.clock import utc_now
from dashboard.errors import ConfigurationError
from dashboard.loopback import is_loopback
from dashboard.seed.catalogue import ACCOUNTS, ORGANIZATION, SERVICES, restart_action
from dashboard.seed.history import import_payload, read_past_incidents
from dashboard.settings import SeedSettings
from dashboard.store import setup
from dashboard.store.connection import as_service, new_http_client

Say = Callable[[str], None]


def seed(
    settings: SeedSettings,
    say: Say,
    *,
    beyond_sandbox: bool = False,
    transport: httpx.BaseTransport | None = None,
) -> None:
    """Make organization, accounts, services, catalogue and past incidents.

    Raises ConfigurationError where this is not the sandbox, unless `beyond_sandbox`.
    """
    with new_http_client(transport) as http:
        if not beyond_sandbox and not is_sandbox(settings.supabase_url, http):
            raise ConfigurationError(
                f"{settings.supabase_url} is not the sandbox.",
                means="Seeding adds four accounts that share one password.",
                to_do="If that is meant, run: incidentscribe seed --yes.",
            )
        client = as_service(settings, http)
        organization_id = _organization(client)
        say(f"organization {ORGANIZATION['name']}")
        _people(client, organization_id, settings.demo_password.get_secret_value(), say)
        _services(client, organization_id, settings.demo_service_url, say)
        today = utc_now()
        past_incidents = read_past_incidents()
        for number, past in enumerate(past_incidents, start=1):
            setup.import_incident(client, import_payload(past, organization_id, today))
            say(f"past incidents {number}/{len(past_incidents)}")


def is_sandbox(supabase_url: str, http: httpx.Client) -> bool:
    """Whether this is our sandbox's gateway: on loopback, and its health says so."""
    if not is_loopback(urlsplit(supabase_url).hostname or ""):
        return False
    try:
        health = http.get(f"{supabase_url}/health")
        answer = health.json() if health.is_success else None
    except (httpx.HTTPError, ValueError):
        return False
    return isinstance(answer, dict) and answer.get("sandbox") == "incidentscribe"


def _organization(client: Client) -> str:
    values = {**ORGANIZATION}
    slug = values.pop("slug")
    organization = setup.ensure_row(client, "organizations", {"slug": slug}, values)
    if not setup.has_default_organization(client):
        setup.ensure_row(client, "organizations", {"slug": slug}, {"is_default": True})
    return str(organization["id"])


def _people(client: Client, organization_id: str, password: str, say: Say) -> None:
    for account in ACCOUNTS:
        user_id = setup.ensure_account(client, account.email, password)
        person = {
            "organization_id": organization_id,
            "role": account.role,
            "display_name": account.name,
            "email": account.email,
            "active": True,
        }
        setup.ensure_row(client, "profiles", {"user_id": user_id}, person)
        say(f"account {account.email} ({account.role})")


def _services(client: Client, organization_id: str, demo_service_url: str, say: Say) -> None:
    for service in SERVICES:
        values = {**service}
        name = str(values.pop("name"))
        key = {"organization_id": organization_id, "name": name}
        row = setup.ensure_row(client, "services", key, values)
        action = restart_action(name, demo_service_url)
        action_key = {
            "organization_id": organization_id,
            "service_id": row["id"],
            "key": action.pop("key"),
        }
        setup.ensure_action(client, action_key, action)
        say(f"service {name} with its catalogue")
