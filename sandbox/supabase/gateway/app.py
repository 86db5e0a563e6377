"""The gateway as an ASGI application, and the one table of what it serves."""

from collections.abc import Sequence

import psycopg
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.supabase.gateway.database import Database
from sandbox.supabase.gateway.door import Door
from sandbox.supabase.gateway.errors import ApiError, not_served
from sandbox.supabase.gateway.rest import Rest
from sandbox.supabase.gateway.settings import GatewaySettings

_ALL_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"]


def create_app(settings: GatewaySettings, database: Database, auth_routes: Sequence[BaseRoute]) -> Starlette:
    """Everything that is served; whatever is not in this table is answered 501."""
    rest = Rest(database, settings.jwt_secret)
    health = Health(database)
    return Starlette(
        routes=[
            Route("/health", health.answer, methods=["GET"]),
            Route("/rest/v1/rpc/{function}", rest.function, methods=["GET", "POST"]),
            Route("/rest/v1/{table}", rest.table, methods=["GET", "POST", "PATCH", "DELETE"]),
            Route("/rest/v1/rpc/{function}", _not_served, methods=_ALL_METHODS),
            *auth_routes,
            Route("/rest/v1/{table}/{rest:path}", _no_such_path, methods=_ALL_METHODS),
            Route("/{rest:path}", _not_served, methods=_ALL_METHODS),
        ],
        middleware=[Middleware(Door, jwt_secret=settings.jwt_secret)],
    )


class Health:
    """Whether the gateway could serve a request now."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def answer(self, request: Request) -> Response:
        """200 when the database answers; the body tells this sandbox from a stranger on its port."""
        try:
            await run_in_threadpool(self._ask)
        except (ApiError, psycopg.Error) as error:
            cause = error.details if isinstance(error, ApiError) else error
            return JSONResponse({"message": f"Postgres does not answer: {cause}"}, 503)
        return JSONResponse({"sandbox": "incidentscribe"})

    def _ask(self) -> None:
        with self._database.transaction():
            pass


async def _no_such_path(request: Request) -> Response:
    return ApiError(404, "PGRST125", "Invalid path specified in request URL").response()


async def _not_served(request: Request) -> Response:
    return not_served(f"{request.method} {request.url.path}").response()
