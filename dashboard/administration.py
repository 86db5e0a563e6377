"""Administration by command line: organizations, people, services and the catalogue."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml
from supabase import Client

from dashboard.domain.clock import to_iso
from dashboard.domain.role import Role
from dashboard.errors import ConfigurationError, Conflict, InvalidInput, NotFound, UpstreamRejected
from dashboard.settings import AdminSettings
from dashboard.store import administration, holds, people, setup
from dashboard.store.administration import Added, Applied
from dashboard.store.connection import as_anon, as_user
from dashboard.store.people import Person
from dashboard.store.tokens import sign_in, sign_out
from dashboard.terminal import printable

Say = Callable[[str], None]
Ask = Callable[[str, bool], str]
Apply = Callable[[Client, Mapping[str, Any]], Applied]


@contextmanager
def signed_in(settings: AdminSettings, ask: Ask, http: httpx.Client) -> Iterator[Client]:
    """The client of an admin while the block runs; `ask(label, hidden)` for what is not set.

    Raises NotSignedIn for a wrong password, NotAllowed for anybody who is no admin.
    """
    email = settings.admin_email or ask("E-mail address of the admin", False)
    given = settings.admin_password
    password = given.get_secret_value() if given else ask(f"Password of {email}", True)
    tokens = sign_in(as_anon(settings, http), email, password)
    try:
        admin = as_user(settings, tokens.access_token, http)
        administration.require_admin(admin)
        yield admin
    finally:
        sign_out(as_anon(settings, http), tokens.access_token)


def create_organization(service: Client, name: str, slug: str, say: Say, *, default: bool = False) -> None:
    """Make an organization, unless its slug is taken: then the one there is stays as it is."""
    made = setup.create_organization(service, name, slug, default=default)
    what = f"organization {slug} ({made.name})"
    say(f"{what} created" if made.created else f"{what} was there already, nothing changed")
    if default and not made.is_default:
        say("another organization takes the webhooks that name none, and goes on doing so")


def invite(
    service: Client, admin: Client, email: str, role: Role, name: str, password: str | None, say: Say
) -> None:
    """Add somebody to the admin's organization, with a new account if the address has none."""
    _invite(service, email, password, say, lambda user: administration.add_person(admin, user, role, name))


def invite_first_admin(
    service: Client, slug: str, email: str, name: str, password: str | None, say: Say
) -> None:
    """Make the first admin of an organization. Raises NotFound, and Conflict where there is an admin."""
    organization_id = setup.find_organization(service, slug)
    if organization_id is None:
        raise NotFound(
            f"There is no organization {slug}.",
            to_do="Make it first: incidentscribe org create NAME --slug SLUG.",
        )
    _invite(
        service,
        email,
        password,
        say,
        lambda user: setup.add_first_admin(service, organization_id, user, name),
    )


def _invite(service: Client, email: str, password: str | None, say: Say, add: Callable[[str], Added]) -> None:
    secret = password or secrets.token_urlsafe(15)
    new = setup.create_account(service, email, secret)
    user_id = new or setup.find_account(service, email)
    if user_id is None:
        raise Conflict(f"Supabase Auth says that {email} has an account, and does not show it.")
    # Said before anything else can go wrong: nobody can look the password up afterwards.
    if new:
        say(f"account {email} created" + ("" if password else f"; its password, shown only now: {secret}"))
    else:
        say(f"account {email} was there already; its password stays as it is")
    try:
        added = add(user_id)
    except (UpstreamRejected, Conflict, InvalidInput, NotFound):
        # Surely not added: an account that is of no use does not stay behind.
        if new:
            setup.remove_account(service, user_id)
            say(f"account {email} removed again")
        raise
    state = "" if added.active else ", switched off"
    say(
        f"{email} added as {added.role}"
        if added.created
        else f"{email} is here as {added.role}{state}, nothing changed"
    )


def change_role(admin: Client, email: str, role: Role, say: Say) -> None:
    """Give somebody else of the admin's organization another role."""
    changed = administration.change_person(admin, _person(admin, email).user_id, role=role)
    say(f"{email} is {changed.role}" + (" now" if changed.changed else " already"))


def switch(admin: Client, email: str, say: Say, *, active: bool) -> None:
    """Switch somebody else of the admin's organization on or off; off ends their sessions at the desk."""
    changed = administration.change_person(admin, _person(admin, email).user_id, active=active)
    say(
        f"{email} is switched {'on' if changed.active else 'off'}"
        + (" now" if changed.changed else " already")
    )


def _person(admin: Client, email: str) -> Person:
    person = people.find_by_email(admin, email)
    if person is None:
        raise NotFound(f"There is nobody with the address {email} in your organization.")
    return person


def apply_services(admin: Client, descriptions: Sequence[Mapping[str, Any]], say: Say) -> None:
    """Make services as described, one after the other; `approvers` may name people by e-mail address."""

    def apply(client: Client, description: Mapping[str, Any]) -> Applied:
        return administration.apply_service(client, _with_approver_ids(client, description))

    _apply(admin, descriptions, apply, lambda each: f"service {each.get('name')}", say)


def apply_catalogue(admin: Client, descriptions: Sequence[Mapping[str, Any]], say: Say) -> None:
    """Make catalogue actions as described, one after the other."""
    _apply(
        admin,
        descriptions,
        administration.apply_action,
        lambda each: f"action {each.get('key')} of {each.get('service')}",
        say,
    )


def _with_approver_ids(admin: Client, description: Mapping[str, Any]) -> dict[str, Any]:
    described = dict(description)
    addresses = described.pop("approvers", None)
    if addresses is None:
        return described
    if not isinstance(addresses, list) or "approver_ids" in described:
        raise InvalidInput("approvers is a list of e-mail addresses, and stands instead of approver_ids.")
    return described | {"approver_ids": [_person(admin, str(address)).user_id for address in addresses]}


def _apply(
    admin: Client,
    descriptions: Sequence[Mapping[str, Any]],
    apply: Apply,
    name: Callable[[Mapping[str, Any]], str],
    say: Say,
) -> None:
    for number, description in enumerate(descriptions, start=1):
        try:
            applied = apply(admin, description)
        except (InvalidInput, NotFound) as error:
            raise InvalidInput(
                f"Entry {number}: {error.what}",
                fields=error.fields if isinstance(error, InvalidInput) else (),
                means="The entries before it are applied." if number > 1 else "",
                to_do="Mend it and apply the file again.",
            ) from error
        what = "added" if applied.created else "changed" if applied.changed else "unchanged"
        say(f"{name(description)} {what} (version {applied.version})")


def read_descriptions(file: Path) -> list[dict[str, Any]]:
    """The list in a YAML or JSON file. Raises InvalidInput that says what is wrong with it."""
    try:
        text = file.read_text(encoding="utf-8")
        content = json.loads(text) if file.suffix == ".json" else yaml.safe_load(text)
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{file} is not UTF-8 text.") from error
    except (ValueError, yaml.YAMLError) as error:
        raise InvalidInput(f"{file} cannot be understood: {' '.join(str(error).split())}.") from error
    if not isinstance(content, list) or not all(isinstance(each, dict) for each in content):
        raise InvalidInput(f"{file} must hold a list of entries with fields.")
    for number, each in enumerate(content, start=1):
        try:
            json.dumps(each, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise InvalidInput(
                f"Entry {number} of {file} holds a value that JSON does not have, such as a date.",
                to_do="Put it in quotes.",
            ) from error
    return content


def password_from(source: str, environment: Mapping[str, str]) -> str:
    """The value that `env:VARIABLE` names: a password is never on a command line, where others see it."""
    kind, _, variable = source.partition(":")
    if kind != "env" or not variable:
        raise ConfigurationError("--password-from takes env:VARIABLE.", to_do="")
    if not environment.get(variable):
        raise ConfigurationError(f"{variable} is not set, but --password-from names it.", keys=[variable])
    return environment[variable]


def apply_notices(admin: Client, rules: Sequence[Mapping[str, Any]], say: Say) -> None:
    """Make the list what the organization is told; what is not in it is not told any more."""
    applied = administration.apply_notices(admin, rules)
    say(f"{applied.rules} notices are wanted" + ("" if applied.changed else ", nothing changed"))


def begin_hold(admin: Client, reason: str, say: Say) -> None:
    """Put all workers on hold."""
    holds.hold(admin, reason)
    say("the workers are on hold: they act on nothing until somebody releases them")


def show_hold(admin: Client, say: Say) -> None:
    """Say whether the workers are on hold, and one line per run that is not known any more."""
    hold = holds.find(admin)
    if hold is None:
        say("the workers are not on hold")
        return
    say(f"on hold since {to_iso(hold.began_at)}, by {hold.begun_by}: {hold.reason}")
    for run in holds.list_forgotten(admin, hold):
        acts = ", ".join(f"{each.action_key}={each.outcome}" for each in run.actions) or "nothing"
        say(
            printable(
                f"execution={run.kestra_execution_id} state={run.state} known={'yes' if run.known else 'no'}"
                f" incident={run.external_id or '-'} service={run.service or '-'} carried out: {acts}"
            )
        )


def release_hold(admin: Client, reason: str, say: Say) -> None:
    """Let the workers act again."""
    released = holds.release(admin, reason)
    say(
        f"the workers act again; starts withdrawn: {released.withdrawn_starts},"
        f" approvals cancelled: {released.cancelled_approvals}"
    )
