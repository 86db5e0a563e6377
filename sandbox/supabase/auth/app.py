"""The routes under /auth/v1; what the table SERVED does not list is answered 501 with a sentence."""

import logging
from collections.abc import Awaitable, Callable

import psycopg
from psycopg_pool import PoolTimeout
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.supabase.auth import account, admin, grants
from sandbox.supabase.auth.calls import Call
from sandbox.supabase.auth.errors import Refusal, not_served
from sandbox.supabase.auth.parts import Parts
from sandbox.supabase.auth.rules import Rules
from sandbox.supabase.gateway.settings import GatewaySettings

log = logging.getLogger(__name__)

BASE = "/auth/v1"
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]
_Handler = Callable[[Parts, Call], Response]


def _health(parts: Parts, call: Call) -> Response:
    return JSONResponse(
        {"version": "sandbox", "name": "GoTrue", "description": "The sandbox's Supabase Auth"}
    )


def _keys(parts: Parts, call: Call) -> Response:
    # A server with a shared secret has no public key to show.
    return JSONResponse({"keys": []}, headers={"Cache-Control": "public, max-age=600"})


def _anything_else(parts: Parts, call: Call) -> Response:
    raise not_served(f"{call.request.method} {call.request.url.path}")


SERVED: tuple[tuple[str, str, _Handler], ...] = (
    ("GET", "/health", _health),
    ("GET", "/.well-known/jwks.json", _keys),
    ("POST", "/token", grants.grant),
    ("GET", "/user", account.show_user),
    ("POST", "/logout", account.sign_out),
    ("POST", "/admin/users", admin.create),
    ("GET", "/admin/users", admin.show_page),
    ("GET", "/admin/users/{user_id}", admin.show),
    ("PUT", "/admin/users/{user_id}", admin.change),
    ("DELETE", "/admin/users/{user_id}", admin.remove),
)


def auth_routes(settings: GatewaySettings, rules: Rules | None = None) -> list[Route]:
    """Routes with full paths, the last of which takes everything else under /auth/v1.

    Nothing is connected before the first request.
    """
    parts = Parts.of(settings, rules or Rules())
    routes = [
        Route(BASE + path, _endpoint(parts, handler), methods=[method]) for method, path, handler in SERVED
    ]
    rest = Route(BASE + "/{rest:path}", _endpoint(parts, _anything_else), methods=_METHODS)
    return [*routes, rest]


def _endpoint(parts: Parts, handler: _Handler) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            return await run_in_threadpool(handler, parts, await Call.of(request))
        except Refusal as refusal:
            return refusal.response(request)
        except PoolTimeout:
            log.warning("Auth gets no connection to Postgres.")
            late = "Processing this request timed out, please retry after a moment."
            return Refusal(504, "request_timeout", late).response(request)
        except psycopg.Error:
            log.exception("Auth failed at %s %s", request.method, request.url.path)
            failed = "Unexpected failure, please check server logs for more information"
            return Refusal(500, "unexpected_failure", failed).response(request)

    return endpoint
