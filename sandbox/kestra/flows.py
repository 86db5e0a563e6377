"""Flows: validate, create, update, read, list, delete. Sources are YAML."""

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from sandbox.kestra import bridge, queries
from sandbox.kestra.answers import Refusal, json_response
from sandbox.kestra.bodies import FLOW_LIMIT, read_text, require_type
from sandbox.kestra.bridge import failures, java
from sandbox.kestra.engine import TENANT, Engine

_YAML = "application/x-yaml"


async def validate(request: Request) -> Response:
    """`POST /flows/validate`: 200 with one entry; its `constraints` says what is wrong and is else absent."""
    require_type(request, _YAML)
    source = await read_text(request, FLOW_LIMIT)
    return json_response(await run_in_threadpool(_validate, request.app.state.engine, source))


def _validate(engine: Engine, source: str) -> Any:
    with failures():
        sources = java("java.util.List").of(java("io.kestra.core.models.flows.FlowSource")(None, source))
        return bridge.to_python(_service(engine).validate(TENANT, sources))


async def create(request: Request) -> Response:
    """`POST /flows`: 200 with the flow, 422 if the source is wrong or the flow exists."""
    require_type(request, _YAML)
    source = await read_text(request, FLOW_LIMIT)
    return await run_in_threadpool(_create, request.app.state.engine, source)


def _create(engine: Engine, source: str) -> Response:
    with failures():
        flow = java("io.kestra.core.models.flows.GenericFlow").fromYaml(TENANT, source)
        if _find(engine, str(flow.getNamespace()), str(flow.getId())) is not None:
            message = "Flow id already exists"
            raise Refusal(422, f"Invalid entity: flow.id: {message}", [("flow.id", message)])
        return _shown(_service(engine).create(flow))


async def update(request: Request) -> Response:
    """`PUT /flows/{namespace}/{flow}`: 200 with the flow, 404 unknown, 422 if the source is wrong."""
    require_type(request, _YAML)
    source = await read_text(request, FLOW_LIMIT)
    return await run_in_threadpool(_update, request.app.state.engine, request.path_params, source)


def _update(engine: Engine, path: dict[str, str], source: str) -> Response:
    with failures():
        existing = _find(engine, path["namespace"], path["flow"])
        if existing is None:
            raise Refusal(404, "Not Found")
        flow = java("io.kestra.core.models.flows.GenericFlow").fromYaml(TENANT, source)
        for name, given in (("namespace", flow.getNamespace()), ("id", flow.getId())):
            if str(given) != path["flow" if name == "id" else name]:
                message = f"Illegal flow {name} update"
                raise Refusal(422, f"Invalid entity: flow.{name}: {message}", [(f"flow.{name}", message)])
        return _shown(_service(engine).update(flow, existing))


async def get(request: Request) -> Response:
    """`GET /flows/{namespace}/{flow}`: 200 with the flow (`?source=true`: with its YAML), 404 unknown."""
    source = request.query_params.get("source", "").lower() == "true"
    return await run_in_threadpool(_get, request.app.state.engine, request.path_params, source)


def _get(engine: Engine, path: dict[str, str], source: bool) -> Response:
    with failures():
        flow = _find(engine, path["namespace"], path["flow"])
        if flow is None:
            raise Refusal(404, "Not Found")
        return _shown(flow if source else flow.toFlow())


async def search(request: Request) -> Response:
    """`GET /flows/search`: a page of flows, each in its last revision and without source."""
    return json_response(await run_in_threadpool(_search, request.app.state.engine, request.query_params))


def _search(engine: Engine, query: QueryParams) -> dict[str, Any]:
    with failures():
        wanted, page = queries.filters(query, "FLOW"), queries.page(query, "searchFlows")
        found = engine.flows.find(page, TENANT, wanted)
        return queries.results(found, queries.listed(found))


async def of_namespace(request: Request) -> Response:
    """`GET /flows/{namespace}`: all flows of a namespace; `[]` where there are none."""
    return json_response(
        await run_in_threadpool(_of_namespace, request.app.state.engine, request.path_params["namespace"])
    )


def _of_namespace(engine: Engine, namespace: str) -> list[dict[str, Any]]:
    with failures():
        return queries.listed(engine.flows.findByNamespace(TENANT, namespace))


async def delete(request: Request) -> Response:
    """`DELETE /flows/{namespace}/{flow}`: 204, or 404 unknown; saved again it counts its revisions on."""
    return await run_in_threadpool(_delete, request.app.state.engine, request.path_params)


def _delete(engine: Engine, path: dict[str, str]) -> Response:
    with failures():
        flow = _find(engine, path["namespace"], path["flow"])
        if flow is None:
            raise Refusal(404, "Not Found")
        _service(engine).delete(flow)
        return Response(status_code=204)


def _find(engine: Engine, namespace: str, flow_id: str) -> Any | None:
    return bridge.optional(engine.flows.findByIdWithSource(TENANT, namespace, flow_id))


def _service(engine: Engine) -> Any:
    return engine.bean("io.kestra.core.services.FlowService")


def _shown(flow: Any) -> Response:
    shown = bridge.to_python(flow)
    shown.pop("tenantId", None)
    return json_response(shown)
