"""The HTTP door before the engine: who may enter, which routes exist, and how a request ends."""

import base64
import binascii
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.kestra.answers import Refusal, failed, json_response, malformed, refused
from sandbox.kestra.bridge import JavaFailure
from sandbox.kestra.engine import Engine
from sandbox.kestra.routes import ROUTES, Handler, not_served
from sandbox.kestra.streams import Streams

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_ALL_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@dataclass(frozen=True)
class DoorSettings:
    """`hosts`: names besides the loopback ones under which the door may be addressed."""

    username: str
    password: str = field(repr=False)
    hosts: frozenset[str] = frozenset()


def build_door(engine: Engine, streams: Streams, settings: DoorSettings) -> Starlette:
    """The ASGI application."""
    routes: list[BaseRoute] = []
    for served in ROUTES:
        endpoint = served.handler if served.open else _with_password(served.handler, settings)
        routes += [_route(path, endpoint, served.methods) for path in served.paths]
    for served in ROUTES:
        if served.has_tenant:
            routes.append(_route(served.path, _with_password(_foreign_tenant, settings), served.methods))
    routes.append(_route("/api/{path:path}", _with_password(not_served, settings), _ALL_METHODS))
    routes.append(_route("/{path:path}", not_served, _ALL_METHODS))
    app = Starlette(
        routes=routes,
        middleware=[Middleware(_KnownHost, hosts=_LOOPBACK | settings.hosts)],
        exception_handlers={Refusal: refused, JavaFailure: failed, HTTPException: malformed},
    )
    app.router.redirect_slashes = False
    app.state.engine = engine
    app.state.streams = streams
    return app


def _route(path: str, handler: Handler, methods: Sequence[str]) -> Route:
    route = Route(path, handler, methods=[*methods])
    # Starlette answers HEAD with the handler of GET, and a GET of a webhook starts an execution.
    route.methods = set(methods)
    return route


def _with_password(handler: Handler, settings: DoorSettings) -> Handler:
    expected = f"{settings.username}:{settings.password}".encode()

    async def guarded(request: Request) -> Response:
        scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
        try:
            given = base64.b64decode(encoded.strip(), validate=True) if scheme.lower() == "basic" else b""
        except binascii.Error:
            given = b""
        if not hmac.compare_digest(given, expected):
            return Response(status_code=401, headers={"WWW-Authenticate": "Basic"})
        return await handler(request)

    return guarded


async def _foreign_tenant(request: Request) -> Response:
    raise Refusal(400, "Bad Request: Tenant must be 'main' for OSS version")


class _KnownHost:
    """Refuses requests for a host name that is not ours, and those a foreign web page has sent.

    The door listens on loopback only, but a browser on this machine would carry a page's requests to it.
    """

    def __init__(self, app: ASGIApp, hosts: frozenset[str]) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            request = Request(scope)
            if not self._is_known(f"//{request.headers.get('host', '')}"):
                await json_response({"message": "The Host header names another server."}, 421)(
                    scope, receive, send
                )
                return
            origin = request.headers.get("origin")
            if origin is not None and not self._is_known(origin):
                await json_response({"message": f"Requests from {origin} are refused."}, 403)(
                    scope, receive, send
                )
                return
        await self._app(scope, receive, send)

    def _is_known(self, address: str) -> bool:
        try:
            return urlsplit(address).hostname in self._hosts
        except ValueError:
            return False
