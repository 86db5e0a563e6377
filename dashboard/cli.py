"""The command line: `incidentscribe deploy | migrate | seed | serve | worker`, and administration."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dashboard.domain.role import Role
from dashboard.errors import ConfigurationError, IncidentScribeError

if TYPE_CHECKING:
    from supabase import Client

app = typer.Typer(
    help="The on-call desk for incidents that AI agents handle inside a Kestra flow.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

org = typer.Typer(help="Organizations.", no_args_is_help=True)
user = typer.Typer(help="People of an organization.", no_args_is_help=True)
service = typer.Typer(help="Services and the rules that go with each.", no_args_is_help=True)
catalogue = typer.Typer(help="What may be done to a service.", no_args_is_help=True)
audit = typer.Typer(help="The audit log.", no_args_is_help=True)
notices = typer.Typer(help="What people are told outside the desk.", no_args_is_help=True)
for group, name in (
    (org, "org"),
    (user, "user"),
    (service, "service"),
    (catalogue, "catalogue"),
    (audit, "audit"),
    (notices, "notices"),
):
    app.add_typer(group, name=name)

Email = Annotated[str, typer.Argument(help="The address of the person's account.")]
File = Annotated[Path, typer.Argument(help="A list in YAML or JSON.", dir_okay=False)]

# Imports stand inside the commands: each needs a few of the libraries, and help needs none.


@app.command()
def deploy(
    kv: Annotated[
        list[str] | None,
        typer.Option(help="A further value for the flow, as NAME=env:VARIABLE; may be repeated."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change, change nothing, and exit with 0.")
    ] = False,
) -> None:
    """Put the flow and the values it reads into Kestra; shows first what differs. May be repeated.

    Secrets come from the environment or .env; at a terminal those that are missing are asked for.
    """
    from dashboard import deploy as deployment
    from dashboard.kestra_api.client import KestraApi
    from dashboard.resources import flow_file
    from dashboard.settings import DeploySettings, load_or_ask

    settings = load_or_ask(DeploySettings, _ask if sys.stdin.isatty() else None)
    values = deployment.kv_from_settings(settings) | deployment.kv_from_environment(kv or [], os.environ)
    with KestraApi(settings) as api:
        plan = deployment.read_plan(api, flow_file().read_text(encoding="utf-8"), values)
        deployment.describe(plan, typer.echo)
        if dry_run:
            typer.echo("Nothing was changed.")
        else:
            deployment.carry_out(api, plan, typer.echo)


@app.command()
def migrate() -> None:
    """Apply the migrations that the database does not have yet."""
    from dashboard.migrate import migrate as apply
    from dashboard.migrate import read_migrations
    from dashboard.resources import migration_files
    from dashboard.settings import MigrateSettings

    url = MigrateSettings.load().database_url.get_secret_value()
    migrations = read_migrations(migration_files())
    applied = apply(url, migrations, typer.echo)
    typer.echo(f"{applied} migrations applied, {len(migrations) - applied} were there already")


@app.command()
def seed(
    yes: Annotated[
        bool,
        typer.Option("--yes", help="Also where this is not the sandbox. Adds accounts with one password!"),
    ] = False,
) -> None:
    """Fill the sandbox with the demo: organization, accounts, services, catalogue, past incidents."""
    from dashboard.seed.run import seed as fill
    from dashboard.settings import SeedSettings

    fill(SeedSettings.load(), typer.echo, beyond_sandbox=yes)


@app.command()
def serve(
    no_worker: Annotated[
        bool, typer.Option("--no-worker", help="Leave starts and deliveries to other processes.")
    ] = False,
) -> None:
    """Run the desk, with a worker inside where the service key is set."""
    import uvicorn

    from dashboard.settings import WebSettings

    settings = WebSettings.load()
    if no_worker:
        os.environ["INCIDENTSCRIBE_WORKER"] = "off"
    log_to_stderr()
    # One process: followers and the worker are shared by all sessions of it.
    uvicorn.run(
        "dashboard.web.asgi:create_app",
        factory=True,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )


@app.command()
def worker() -> None:
    """Run a worker by itself; any number may run beside each other and beside desks."""
    from dashboard.settings import WorkerSettings
    from dashboard.worker.loop import Worker

    settings = WorkerSettings.load()
    log_to_stderr()
    # Blocked before the first thread begins, so that only this one hears them.
    signals = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    running = Worker(settings)
    running.start()
    signal.sigwait(signals)
    running.stop()


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
    with new_http_client() as http, signed_in(settings, _ask, http) as admin:
        yield admin


def _ask(label: str, hidden: bool) -> str:
    if not sys.stdin.isatty():
        keys = ["INCIDENTSCRIBE_ADMIN_EMAIL", "INCIDENTSCRIBE_ADMIN_PASSWORD"]
        raise ConfigurationError(
            f"{' and '.join(keys)} are not both set, and nobody is there to ask.", keys=keys
        )
    return str(typer.prompt(label, hide_input=hidden, err=True))


def log_to_stderr() -> None:
    """Structured lines in UTC. httpx stays quiet: it would write addresses, and with them the webhook key."""
    formatter = logging.Formatter(
        "%(asctime)s.%(msecs)03dZ level=%(levelname)s logger=%(name)s %(message)s", "%Y-%m-%dT%H:%M:%S"
    )
    formatter.converter = time.gmtime
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for noisy in ("httpx", "httpcore", "hpack"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def main() -> None:
    """The entry point: an error of our tree is one line on stderr and exit code 1."""
    try:
        app()
    except IncidentScribeError as error:
        typer.echo(str(error), err=True)
        sys.exit(1)
