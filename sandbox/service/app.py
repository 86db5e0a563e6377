"""The HTTP side of the demo service."""

import asyncio
import hmac
import json
from dataclasses import asdict

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from sandbox.service.fleet import NAMES, RESTART_SECONDS, Fleet, KeyReusedError, UnknownServiceError
from sandbox.service.hooks import Hooks

MOST_INSTANCES = 6


def create_app(fleet: Fleet, token: str, *, test_hooks: bool = False) -> ASGIApp:
    """The application. With `test_hooks`, /test-hooks/misbehave and /test-hooks/effects exist."""
    service = _Service(fleet, token, Hooks())
    routes = [
        Route("/health", service.alive),
        Route("/services", service.all),
        Route("/services/{name}", service.one),
        Route("/services/{name}/restart", service.restart, methods=["POST"]),
        Route("/restarts", service.restarts),
    ]
    if test_hooks:
        routes.append(Route("/test-hooks/misbehave", service.hooks.set, methods=["POST"]))
        routes.append(Route("/test-hooks/effects", service.hooks.effects))
    return service.hooks.around(Starlette(routes=routes))


def _refusal(status: int, sentence: str) -> JSONResponse:
    return JSONResponse({"error": sentence}, status_code=status)


class _Service:
    def __init__(self, fleet: Fleet, token: str, hooks: Hooks) -> None:
        self._fleet = fleet
        self._expected = f"Bearer {token}".encode()
        self.hooks = hooks

    async def alive(self, request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def all(self, request: Request) -> Response:
        return JSONResponse([asdict(self._fleet.health(name)) for name in NAMES])

    async def one(self, request: Request) -> Response:
        try:
            return JSONResponse(asdict(self._fleet.health(request.path_params["name"])))
        except UnknownServiceError as unknown:
            return _refusal(404, f"There is no service {unknown}.")

    async def restarts(self, request: Request) -> Response:
        return JSONResponse(self._fleet.restarts())

    async def restart(self, request: Request) -> Response:
        """Answers when the service is up again, about half a second later."""
        if not hmac.compare_digest(request.headers.get("authorization", "").encode(), self._expected):
            return _refusal(401, "A restart needs the operations token as bearer token.")
        key = request.headers.get("idempotency-key", "")
        if not key:
            return _refusal(400, "A restart needs the header Idempotency-Key.")
        try:
            instances = json.loads(await request.body())["instances"]
        except (ValueError, LookupError, TypeError):
            instances = None
        if type(instances) is not int or not 1 <= instances <= MOST_INSTANCES:
            return _refusal(422, f'The body must be {{"instances": n}} with n from 1 to {MOST_INSTANCES}.')

        wrong = self.hooks.next(request)
        if wrong is not None and not wrong.acts:
            return await wrong.answer(request)
        try:
            answer, restarted = self._fleet.restart(request.path_params["name"], instances, key)
        except UnknownServiceError as unknown:
            return _refusal(404, f"There is no service {unknown}.")
        except KeyReusedError:
            return _refusal(422, "This Idempotency-Key was used for another request.")
        if restarted:
            self.hooks.note(request, key)
            await asyncio.sleep(RESTART_SECONDS)
        if wrong is not None:
            return await wrong.answer(request)
        return JSONResponse(answer)
