"""`python -m sandbox.supabase.gateway`: REST and Auth in front of the sandbox's Postgres.

SANDBOX_JWT_SECRET signs tokens and keys; SANDBOX_AUTHENTICATOR_PASSWORD and SANDBOX_AUTH_PASSWORD are those
of the two login roles.
"""

import os
from typing import Annotated

import typer

from sandbox.serving import refuse_to_start, serve
from sandbox.supabase.auth.app import auth_routes
from sandbox.supabase.gateway.app import create_app
from sandbox.supabase.gateway.database import Database
from sandbox.supabase.gateway.settings import GatewaySettings


def main(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 54321,
    database_port: Annotated[int, typer.Option(help="Port of Postgres on 127.0.0.1.")] = 54322,
    database: Annotated[str, typer.Option(help="Name of the database.")] = "postgres",
) -> None:
    """Serve REST and Auth until told to stop; Postgres may come later and go in between."""
    secret = os.environ.get("SANDBOX_JWT_SECRET", "")
    if len(secret) < 32:
        refuse_to_start("The gateway needs SANDBOX_JWT_SECRET, at least 32 characters that sign its tokens.")
    settings = GatewaySettings(
        port=port,
        database_port=database_port,
        jwt_secret=secret,
        authenticator_password=os.environ.get("SANDBOX_AUTHENTICATOR_PASSWORD", ""),
        auth_password=os.environ.get("SANDBOX_AUTH_PASSWORD", ""),
        database=database,
    )
    pool = Database(settings)
    try:
        serve(create_app(settings, pool, auth_routes(settings)), port=port, part="gateway")
    finally:
        pool.close()


if __name__ == "__main__":
    typer.run(main)
