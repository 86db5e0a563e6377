"""`python -m sandbox.service`: the demo service, with SANDBOX_SERVICE_TOKEN as its operations token."""

import os
import time
from pathlib import Path
from typing import Annotated

import typer

from sandbox.service.app import create_app
from sandbox.service.fleet import Fleet
from sandbox.serving import refuse_to_start, serve


def main(
    data: Annotated[Path, typer.Option(help="Folder of the service's own file.")],
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one.")] = 8091,
    test_hooks: Annotated[
        bool, typer.Option("--test-hooks", help="Allow tests to make restarts fail.")
    ] = False,
) -> None:
    """Run the demo service until it is told to stop."""
    token = os.environ.get("SANDBOX_SERVICE_TOKEN", "")
    if not token:
        refuse_to_start("The demo service needs SANDBOX_SERVICE_TOKEN, the token for its restarts.")
    fleet = Fleet(data, time.time)
    try:
        serve(create_app(fleet, token, test_hooks=test_hooks), port=port, part="demo service")
    finally:
        fleet.close()


if __name__ == "__main__":
    typer.run(main)
