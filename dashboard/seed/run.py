"""Filling a database with the demo; running it again changes nothing."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx
from supabase import Client

from dashboard.domain.clock import utc_now
from dashboard.errors import ConfigurationError
from dashboard.loopback import is_loopback
from dashboard.seed.catalogue import (
    ACCOUNTS,
    ADMIN,
    COLLEAGUES,
    ORGANIZATION,
    ORGANIZATION_SETTINGS,
    SERVICES,
    restart_action,
)
from dashboard.seed.happenings import read_happenings
from dashboard.seed.history import import_payload
from dashboard.settings import SeedSettings
from dashboard.store import administration, setup
from dashboard.store.connection import as_anon, as_service, as_user, new_http_client
from dashboard.store.tokens import sign_in

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
        service = as_service(settings, http)
        password = settings.demo_password.get_secret_value()
        organization_id = _organization(service, password)
        say(f"organization {ORGANIZATION['name']}")
        # From here on as the organization's admin, like anybody who sets one up.
        tokens = sign_in(as_anon(settings, http), ADMIN.email, password)
        admin = as_user(settings, tokens.access_token, http)
        administration.change_organization(admin, ORGANIZATION_SETTINGS)
        _people(service, admin, password, say)
        _colleagues(service, admin, say)
        _services(admin, settings.demo_service_url, say)
        _history(service, organization_id, say)


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


def _organization(service: Client, password: str) -> str:
    """The organization with its first admin, who has an account with this password; its id."""
    made = setup.create_organization(service, ORGANIZATION["name"], ORGANIZATION["slug"], default=True)
    user_id = setup.ensure_account(service, ADMIN.email, password)
    setup.add_first_admin(service, made.organization_id, user_id, ADMIN.name)
    return made.organization_id


def _people(service: Client, admin: Client, password: str, say: Say) -> None:
    for account in ACCOUNTS:
        if account != ADMIN:
            user_id = setup.ensure_account(service, account.email, password)
            administration.add_person(admin, user_id, account.role, account.name)
        say(f"account {account.email} ({account.role})")


def _colleagues(service: Client, admin: Client, say: Say) -> None:
    """People of the past, each with an account that nobody can open."""
    for colleague in COLLEAGUES:
        user_id = setup.create_account(service, colleague.email, secrets.token_urlsafe(32))
        user_id = user_id or setup.find_account(service, colleague.email)
        if user_id is not None:
            administration.add_person(admin, user_id, colleague.role, colleague.name)
            say(f"colleague {colleague.name} ({colleague.role})")


def _history(service: Client, organization_id: str, say: Say) -> None:
    """The past, once: what was imported before keeps the days it has."""
    today = utc_now()
    known = setup.list_imported(service, organization_id)
    minutes = {description["name"]: description["minutes_to_decide"] for description in SERVICES}
    missing = [(happening, text) for happening, text in read_happenings() if happening.id not in known]
    for number, (happening, text) in enumerate(missing, start=1):
        payload = import_payload(happening, text, organization_id, today, minutes[text.service])
        setup.import_incident(service, payload)
        if number % 10 == 0 or number == len(missing):
            say(f"past incidents {number}/{len(missing)}")


def _services(admin: Client, demo_service_url: str, say: Say) -> None:
    for service in SERVICES:
        administration.apply_service(admin, service)
        action = restart_action(service["name"], demo_service_url)
        administration.apply_action(admin, {"service": service["name"], **action})
        say(f"service {service['name']} with its catalogue")
