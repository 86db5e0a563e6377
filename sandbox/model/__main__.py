"""`python -m sandbox.model`: the demo model, with SANDBOX_MODEL_KEY as its API key."""

import os
from typing import Annotated

import typer

from sandbox.model.app import create_app
from sandbox.serving import refuse_to_start, serve


def main(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one.")] = 8090,
    test_hooks: Annotated[
        bool, typer.Option("--test-hooks", help="Allow tests to make answers go wrong.")
    ] = False,
) -> None:
    """Run the demo model until it is told to stop."""
    key = os.environ.get("SANDBOX_MODEL_KEY", "")
    if not key:
        refuse_to_start("The demo model needs SANDBOX_MODEL_KEY, the API key it expects.")
    serve(create_app(key, test_hooks=test_hooks), port=port, part="demo model")


if __name__ == "__main__":
    typer.run(main)
