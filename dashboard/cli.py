"""The command line: deploy, doctor, migrate, seed, serve, worker, and administration."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from dashboard.cli_administration import GROUPS, ask
from dashboard.errors import IncidentScribeError

app = typer.Typer(
    help="The on-call desk for incidents that AI agents handle inside a Kestra flow.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

for name, group in GROUPS.items():
    app.add_typer(group, name=name)

# Imports stand inside the commands: each needs a few of the libraries, and help needs none.


@app.command()
def deploy(
    kv: Annotated[
        list[str] | None,
        typer.Option(help="A further value for the flow, as NAME=env:VARIABLE; may be repeated."),
    ] = None,
    flow: Annotated[
        Path | None,
        typer.Option(help="A changed copy of the flow, instead of this version's own.", dir_okay=False),
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
    from dashboard.webhook_key import with_webhook_key

    settings = load_or_ask(DeploySettings, ask if sys.stdin.isatty() else None)
    values = deployment.kv_from_settings(settings) | deployment.kv_from_environment(kv or [], os.environ)
    source = deployment.read_flow(flow or flow_file())
    source = with_webhook_key(source, settings.webhook_key.get_secret_value())
    address = deployment.kestra_in_force(settings, typer.echo)
    with KestraApi(settings.model_copy(update={"kestra_url": address})) as api:
        plan = deployment.read_plan(api, source, values)
        deployment.describe(plan, typer.echo)
        if dry_run:
            typer.echo("Nothing was changed.")
        else:
            deployment.carry_out(api, plan, typer.echo)


@app.command()
def doctor(
    probe: Annotated[
        bool,
        typer.Option("--probe", help="Also save a small flow in Kestra and run it: what does Kestra reach?"),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Say how every part is, what that means, and what mends it; exit code 1 if something is not well."""
    from dashboard import doctor_command

    findings = doctor_command.examine(probe=probe)
    typer.echo(doctor_command.as_json(findings) if as_json else doctor_command.as_text(findings))
    if not doctor_command.is_well(findings):
        raise typer.Exit(1)


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

    from dashboard import logs
    from dashboard.settings import WebSettings

    settings = WebSettings.load()
    if no_worker:
        os.environ["INCIDENTSCRIBE_WORKER"] = "off"
    logs.set_up()
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
def worker(
    metrics_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Serve /metrics and /healthz on this port.")
    ] = None,
    metrics_host: Annotated[
        str,
        typer.Option(help="Where; elsewhere than here it needs INCIDENTSCRIBE_METRICS_TOKEN."),
    ] = "127.0.0.1",
) -> None:
    """Run a worker by itself; any number may run beside each other and beside desks."""
    from dashboard import logs
    from dashboard.settings import MetricsSettings, WorkerSettings
    from dashboard.worker.exposed import serving
    from dashboard.worker.loop import Worker

    settings = WorkerSettings.load()
    token = MetricsSettings.load().metrics_token
    logs.set_up()
    # Blocked before the first thread begins, so that only this one hears them.
    signals = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    with ExitStack() as stack:
        if metrics_port is not None:
            known = token.get_secret_value() if token else None
            stack.enter_context(serving(metrics_host, metrics_port, known))
        stack.enter_context(Worker(settings)).start()
        signal.sigwait(signals)


def main() -> None:
    """The entry point: an error of our tree is one line on stderr and exit code 1."""
    try:
        app()
    except IncidentScribeError as error:
        typer.echo(str(error), err=True)
        sys.exit(1)
