"""The one table of what the door serves; every other request is answered 501."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from sandbox.kestra import creation, executions, flows, instance, kv, logs, outputs, webhook
from sandbox.kestra.answers import json_response

Handler = Callable[[Request], Awaitable[Response]]


async def not_served(request: Request) -> Response:
    """501 with a sentence that names what was asked for."""
    message = (
        f"The sandbox's Kestra does not serve {request.method} {request.url.path}. "
        "It runs the real engine, but only the part of the API that this project uses."
    )
    return json_response({"message": message}, 501)


@dataclass(frozen=True)
class Served:
    """A route. `{tenant}` in `path` stands for both forms, with `/main` and without; `open`: no password."""

    methods: tuple[str, ...]
    path: str
    handler: Handler
    open: bool = False

    @property
    def has_tenant(self) -> bool:
        """Whether the path belongs to a tenant."""
        return "/{tenant}" in self.path

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths to serve."""
        if not self.has_tenant:
            return (self.path,)
        return (self.path.replace("/{tenant}", "/main"), self.path.replace("/{tenant}", ""))


_EXECUTION = "/api/v1/{tenant}/executions/{execution}"

ROUTES = (
    Served(("GET",), "/ping", instance.ping, open=True),
    Served(("GET",), "/api/v1/configs", instance.configs, open=True),
    Served(
        ("GET", "POST", "PUT"),
        "/api/v1/{tenant}/executions/webhook/{namespace}/{flow}/{key}",
        webhook.call,
        open=True,
    ),
    Served(("GET",), "/api/v1/{tenant}/executions/search", executions.search),
    # After the webhook's and before those of one execution, which has fewer or other segments.
    Served(("POST",), "/api/v1/{tenant}/executions/{namespace}/{flow}", creation.create),
    Served(("GET",), _EXECUTION, executions.get),
    Served(("DELETE",), _EXECUTION, executions.delete),
    Served(("GET",), f"{_EXECUTION}/flow", executions.flow),
    Served(("GET",), f"{_EXECUTION}/follow", executions.follow),
    Served(("POST",), f"{_EXECUTION}/actions/resume", executions.resume),
    Served(("POST",), f"{_EXECUTION}/actions/resume/validate", executions.validate_resume),
    Served(("POST",), f"{_EXECUTION}/actions/restart", executions.restart),
    Served(("POST",), f"{_EXECUTION}/actions/replay", creation.replay),
    Served(("DELETE",), f"{_EXECUTION}/actions/kill", executions.kill),
    Served(("GET",), "/api/v1/{tenant}/outputs/{execution}", outputs.of_execution),
    Served(("GET",), "/api/v1/{tenant}/outputs/{execution}/{task_run}", outputs.of_task_run),
    Served(("GET",), "/api/v1/{tenant}/logs/search", not_served),
    Served(("GET",), "/api/v1/{tenant}/logs/{execution}", logs.get),
    Served(("GET",), "/api/v1/{tenant}/logs/{execution}/follow", logs.follow),
    Served(("POST",), "/api/v1/{tenant}/flows/validate", flows.validate),
    Served(("POST",), "/api/v1/{tenant}/flows", flows.create),
    Served(("GET",), "/api/v1/{tenant}/flows/search", flows.search),
    Served(("GET",), "/api/v1/{tenant}/flows/{namespace}", flows.of_namespace),
    Served(("GET",), "/api/v1/{tenant}/flows/{namespace}/{flow}", flows.get),
    Served(("PUT",), "/api/v1/{tenant}/flows/{namespace}/{flow}", flows.update),
    Served(("DELETE",), "/api/v1/{tenant}/flows/{namespace}/{flow}", flows.delete),
    Served(("GET",), "/api/v1/{tenant}/kv", kv.search),
    Served(("GET",), "/api/v1/{tenant}/namespaces/{namespace}/kv/{key}", kv.get),
    Served(("PUT",), "/api/v1/{tenant}/namespaces/{namespace}/kv/{key}", kv.put),
    Served(("DELETE",), "/api/v1/{tenant}/namespaces/{namespace}/kv/{key}", kv.delete),
)
