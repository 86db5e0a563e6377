"""`python -m sandbox`: the whole story on one machine, without accounts, keys, containers or network."""

import fcntl
import os
import shutil
import signal
import sys
import webbrowser
from pathlib import Path
from threading import Event
from typing import IO, Annotated

import typer
from rich.console import Console

from sandbox.supervisor.keys import Keys
from sandbox.supervisor.lan import NoNetwork, find_address, qr_code
from sandbox.supervisor.part import PartFailed
from sandbox.supervisor.plan import Sandbox
from sandbox.supervisor.ports import Ports, PortTaken
from sandbox.supervisor.run import Supervisor
from sandbox.supervisor.screen import Screen

_console = Console(highlight=False, soft_wrap=True)


def _fail(sentence: object) -> None:
    Console(stderr=True, highlight=False).print(str(sentence), style="red", markup=False)


def _claim(folder: Path) -> IO[str]:
    """The folder for this process alone; the lock ends with the process, however it ends."""
    # Root's Postgres runs as another user, who has to pass through.
    folder.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
    lock = (folder / "lock").open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        _fail(f"A sandbox is running in {folder} already. Stop it first, or choose another --data.")
        raise typer.Exit(1) from None
    return lock


def _wipe(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.name == "lock":
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _introduce(sandbox: Sandbox) -> None:
    endpoints = sandbox.endpoints(os.getpid())
    model = "Gemini, with your key" if sandbox.gemini_api_key else "simulated (demo model)"
    _console.print()
    _console.print(f"  The desk is open at [bold]{endpoints['desk']}[/bold]")
    _console.print(f"  Kestra's API       {endpoints['kestra']['url']}  ({endpoints['kestra']['username']})")
    _console.print(f"  Supabase's API     {endpoints['supabase']['url']}")
    _console.print(f"  Real: flow engine, database. Model: {model}. Service acted on: simulated.")
    if sandbox.lan_address:
        _introduce_lan(sandbox)
    where = "no buttons for the network" if sandbox.lan_address else "buttons on the sign-in page"
    _console.print(f"\n  Demo accounts ({where}; the password is the same for all):")
    for account in endpoints["accounts"]:
        _console.print(f"    {account['email']:<20} {account['role']}")
    _console.print(f"    password             {endpoints['accounts'][0]['password']}", markup=False)
    _console.print(f"\n  Addresses and keys for tools: {sandbox.endpoints_file}", markup=False)
    _console.print("  Ctrl-C stops everything; the data stays. --reset wipes it.\n")


def _introduce_lan(sandbox: Sandbox) -> None:
    url = f"http://{sandbox.lan_address}:{sandbox.ports.desk}"
    _console.print(f"\n  For a phone in this network: [bold]{url}[/bold]")
    _console.print(
        "  Risk: whoever is in this network can reach the sign-in page and read along, for it is plain http. "
        "Everything else stays on this machine."
    )
    _console.print(qr_code(url), markup=False)


def main(
    data: Annotated[Path, typer.Option(help="Folder for everything the sandbox writes.")] = Path(".sandbox"),
    reset: Annotated[bool, typer.Option("--reset", help="Wipe the folder first.")] = False,
    free_ports: Annotated[
        bool, typer.Option("--free-ports", help="Take ports nobody uses, for a run beside another sandbox.")
    ] = False,
    lan: Annotated[
        bool, typer.Option("--lan", help="Open the desk, and nothing else, to the network of this machine.")
    ] = False,
    empty: Annotated[
        bool,
        typer.Option("--empty", help="Without tables, flow, people and desk, as a deployment finds it."),
    ] = False,
    browser: Annotated[bool, typer.Option(help="Open the desk in a browser.")] = True,
    desk_port: int = Ports.desk,
    kestra_port: int = Ports.kestra,
    gateway_port: int = Ports.gateway,
    postgres_port: int = Ports.postgres,
    model_port: int = Ports.model,
    service_port: int = Ports.service,
) -> None:
    """Start the sandbox and the desk; Ctrl-C stops them."""
    folder = data.resolve()
    lock = _claim(folder)
    chosen = Ports(desk_port, kestra_port, gateway_port, postgres_port, model_port, service_port)
    ports = Ports.free() if free_ports else chosen
    try:
        ports.require_free(lan=lan)
        address = find_address() if lan else None
    except (PortTaken, NoNetwork) as obstacle:
        _fail(obstacle)
        raise typer.Exit(1) from None
    if reset:
        _wipe(folder)
    (folder / "logs").mkdir(exist_ok=True)
    sandbox = Sandbox(
        folder, ports, Keys.of(folder), os.environ.get("GEMINI_API_KEY") or None, address, empty
    )

    stopping = Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stopping.set())
    screen = Screen(_console)
    supervisor = Supervisor(sandbox, screen, stopping)
    code = 0
    try:
        with screen:
            supervisor.start()
        if empty:
            _console.print(
                f"\n  Ready and empty; addresses and keys: {sandbox.endpoints_file}\n", markup=False
            )
        else:
            _introduce(sandbox)
        if browser and not empty and sys.stdout.isatty():
            webbrowser.open(f"http://127.0.0.1:{ports.desk}")
        supervisor.watch(_console.print)
    except KeyboardInterrupt:
        code = 130
    except PartFailed as failed:
        _fail(failed)
        code = 1
    finally:
        _console.print("  Stopping …")
        supervisor.stop()
        lock.close()
    raise typer.Exit(code)


if __name__ == "__main__":
    typer.run(main)
