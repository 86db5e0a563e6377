"""Administration by command line: organizations, people, services, catalogue, notices, audit log, hold."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dashboard.domain.role import Role
from dashboard.errors import ConfigurationError

if TYPE_CHECKING:
    from supabase import Client

org = typer.Typer(help="Organizations.", no_args_is_help=True)
user = typer.Typer(help="People of an organization.", no_args_is_help=True)
service = typer.Typer(help="Services and the rules that go with each.", no_args_is_help=True)
catalogue = typer.Typer(help="What may be done to a service.", no_args_is_help=True)
audit = typer.Typer(help="The audit log.", no_args_is_help=True)
notices = typer.Typer(help="What people are told outside the desk.", no_args_is_help=True)
hold = typer.Typer(help="Workers that act on nothing, as after a restore.", no_args_is_help=True)
GROUPS = {
    "org": org,
    "user": user,
    "service": service,
    "catalogue": catalogue,
    "audit": audit,
    "notices": notices,
    "hold": hold,
}

Email = Annotated[str, typer.Argument(help="The address of the person's account.")]
File = Annotated[Path, typer.Argument(help="A list in YAML or JSON.", dir_okay=False)]

# Imports stand inside the commands: each needs a few of the libraries, and help needs none.


@org.command("create")
def create_organization(
    name: Annotated[str, typer.Argument(help="As shown in the desk.")],
    slug: Annotated[str, typer.Option(help="Short name: small letters, digits, hyphens.")],
    default: Annotated[
        bool, typer.Option("--default", help="It takes the webhooks that name no organization.")
    ] = False,
) -> None:
    """Make an organization, with the service key."""
    from dashboard import administration

    with _as_service() as client:
        administration.create_organization(client, name, slug, typer.echo, default=default)


@user.command()
def invite(
    email: Email,
    role: Annotated[Role, typer.Option(help="What they may do.")],
    name: Annotated[str, typer.Option(help="As shown on screens and in records.")],
    organization: Annotated[
        str | None, typer.Option(help="Slug: makes the first admin of this organization.")
    ] = None,
    password_from: Annotated[
        str | None, typer.Option(help="env:VARIABLE with the new account's password, else one is made.")
    ] = None,
) -> None:
    """Add a person, with an account at Supabase Auth if the address has none."""
    from dashboard import administration

    password = administration.password_from(password_from, os.environ) if password_from else None
    with _as_service() as client:
        if organization is None:
            with _as_admin() as admin:
                administration.invite(client, admin, email, role, name, password, typer.echo)
        elif role is Role.ADMIN:
            administration.invite_first_admin(client, organization, email, name, password, typer.echo)
        else:
            raise ConfigurationError("--organization makes a first admin: --role admin.", to_do="")


@user.command("role")
def change_role(email: Email, role: Annotated[Role, typer.Argument()]) -> None:
    """Give a person another role."""
    from dashboard import administration

    with _as_admin() as admin:
        administration.change_role(admin, email, role, typer.echo)


@user.command()
def disable(email: Email) -> None:
    """Switch a person off; their sessions at the desk end."""
    from dashboard import administration

    with _as_admin() as admin:
        administration.switch(admin, email, typer.echo, active=False)


@user.command()
def enable(email: Email) -> None:
    """Switch a person on again."""
    from dashboard import administration

    with _as_admin() as admin:
        administration.switch(admin, email, typer.echo, active=True)


@service.command("apply")
def apply_services(file: File) -> None:
    """Make services as described in a file."""
    from dashboard import administration

    descriptions = administration.read_descriptions(file)
    with _as_admin() as admin:
        administration.apply_services(admin, descriptions, typer.echo)


@catalogue.command("apply")
def apply_catalogue(file: File) -> None:
    """Make catalogue actions as described in a file."""
    from dashboard import administration

    descriptions = administration.read_descriptions(file)
    with _as_admin() as admin:
        administration.apply_catalogue(admin, descriptions, typer.echo)


@notices.command("apply")
def apply_notices(file: File) -> None:
    """Make the list in a file what the organization is told: event, channel and, for e-mail, to whom."""
    from dashboard import administration

    rules = administration.read_descriptions(file)
    with _as_admin() as admin:
        administration.apply_notices(admin, rules, typer.echo)


@hold.command("begin")
def begin_hold(reason: Annotated[str, typer.Option(help="Why; it is recorded.")]) -> None:
    """Let no worker act: nothing is started, delivered or carried out until somebody releases it."""
    from dashboard import administration

    with _as_admin() as admin:
        administration.begin_hold(admin, reason, typer.echo)


@hold.command("show")
def show_hold() -> None:
    """Whether the workers are on hold, and what this database does not know any more."""
    from dashboard import administration

    with _as_admin() as admin:
        administration.show_hold(admin, typer.echo)


@hold.command("release")
def release_hold(reason: Annotated[str, typer.Option(help="What you found; it is recorded.")]) -> None:
    """Let the workers act again, after somebody has looked."""
    from dashboard import administration

    with _as_admin() as admin:
        administration.release_hold(admin, reason, typer.echo)


@audit.command()
def verify(
    heads: Annotated[
        Path | None, typer.Option(help="Heads kept from `audit head`, to compare with.", dir_okay=False)
    ] = None,
) -> None:
    """Compute every hash of the audit log anew; exit code 1 if anything was changed, removed or added."""
    from dashboard import audit

    kept = audit.read_heads(heads) if heads else []
    with _as_service() as client:
        audit.verify_all(client, kept, typer.echo)


@audit.command()
def head() -> None:
    """Write the last hash of every chain as JSON; keep it where the database's owner cannot write."""
    from dashboard import audit

    with _as_service() as client:
        typer.echo(audit.heads_as_json(client))


@contextmanager
def _as_service() -> Iterator[Client]:
    from dashboard.settings import ServiceSettings
    from dashboard.store.connection import as_service, new_http_client

    settings = ServiceSettings.load()
    with new_http_client() as http:
        yield as_service(settings, http)


@contextmanager
def _as_admin() -> Iterator[Client]:
    from dashboard.administration import signed_in
    from dashboard.settings import AdminSettings
    from dashboard.store.connection import new_http_client

    settings = AdminSettings.load()
    with new_http_client() as http, signed_in(settings, ask, http) as admin:
        yield admin


def ask(label: str, hidden: bool) -> str:
    """What a person at the terminal types. Raises ConfigurationError where nobody is there."""
    if not sys.stdin.isatty():
        keys = ["INCIDENTSCRIBE_ADMIN_EMAIL", "INCIDENTSCRIBE_ADMIN_PASSWORD"]
        raise ConfigurationError(
            f"{' and '.join(keys)} are not both set, and nobody is there to ask.", keys=keys
        )
    return str(typer.prompt(label, hide_input=hidden, err=True))
