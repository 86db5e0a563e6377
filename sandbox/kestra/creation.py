"""New executions by hand: from a flow with inputs, or from an execution as it was."""

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from sandbox.kestra import bridge
from sandbox.kestra.answers import Refusal, json_response
from sandbox.kestra.bodies import read_form
from sandbox.kestra.bridge import failures, java
from sandbox.kestra.engine import TENANT, Engine
from sandbox.kestra.orders import command, existing

_NOT_SERVED = ("wait", "scheduleDate", "breakpoints", "kind")


async def create(request: Request) -> Response:
    """`POST /executions/{namespace}/{flow}`, multipart: one field per input; `labels=key:value`, `revision`.

    200 with the execution and its `url`, 404 unknown flow, 409 disabled, 415 another body, 422 wrong inputs.
    """
    fields = await read_form(request)
    return await run_in_threadpool(
        _create, request.app.state.engine, request.path_params, request.query_params, fields
    )


def _create(
    engine: Engine, path: dict[str, str], query: QueryParams, fields: list[tuple[str, bytes]]
) -> Response:
    _refuse_not_served(query)
    with failures():
        flow = _flow(engine, path, query)
        labels = _labels(query.getlist("labels"))
        execution_id = str(java("io.kestra.core.utils.IdUtils").create())
        parts = bridge.publisher(bridge.form_part(name, value) for name, value in fields)
        reader = engine.bean("io.kestra.core.runners.FlowInputOutput")
        inputs = reader.readExecutionInputs(flow, execution_id, labels, parts).block()
        name = java("io.kestra.core.models.executions.ExecutionId")(
            TENANT, flow.getNamespace(), flow.getId(), execution_id, flow.getRevision()
        )
        order = java("io.kestra.core.executor.command.Create").of(name).withLabels(labels).withInputs(inputs)
        shown = command(engine, execution_id, "Create", order)
    address = f"{engine.url}ui/{TENANT}/executions/{shown['namespace']}/{shown['flowId']}/{execution_id}"
    return json_response(shown | {"url": address})


def _flow(engine: Engine, path: dict[str, str], query: QueryParams) -> Any:
    number = query.get("revision")
    if number is not None and not number.isdecimal():
        raise Refusal(422, f"Invalid entity: revision is no number: {number}")
    optional = java("java.util.Optional")
    revision = optional.empty() if number is None else optional.of(java("java.lang.Integer")(int(number)))
    service = engine.bean("io.kestra.core.services.FlowService")
    return service.getFlowIfExecutableOrThrow(TENANT, path["namespace"], path["flow"], revision)


def _labels(given: list[str]) -> Any:
    labels = java("java.util.ArrayList")()
    for text in given:
        key, colon, value = text.partition(":")
        if not colon or not key or not value:
            raise Refusal(422, f"Invalid entity: a label is key:value, not {text}")
        if key.startswith("system."):
            raise Refusal(
                422,
                "Illegal argument: System labels can only be set by Kestra itself, "
                f"offending label: {key}={value}",
            )
        labels.add(java("io.kestra.core.models.Label")(key, value))
    labels.add(java("io.kestra.core.models.Label")("system.from", "api"))
    return labels


async def replay(request: Request) -> Response:
    """`POST /executions/{execution}/actions/replay`: 200 with a new execution of the same inputs.

    With `taskRunId` it begins there, and has what ran before as it was. 404 unknown; 409 if the old one has
    not ended, or had no such task run.
    """
    query = request.query_params
    _refuse_not_served(query)
    execution_id = request.path_params["execution"]
    return await run_in_threadpool(_replay, request.app.state.engine, execution_id, query.get("taskRunId"))


def _replay(engine: Engine, execution_id: str, task_run_id: str | None) -> Response:
    with failures():
        execution = existing(engine, execution_id)
        if not execution.getState().isTerminated():
            raise Refusal(
                409, f"Illegal state: Execution '{execution_id}' is not terminated, can't replay it"
            )
        new_id = str(java("io.kestra.core.utils.IdUtils").create())
        order = java("io.kestra.core.executor.command.Replay").from_(
            execution, new_id, task_run_id, None, None
        )
        return json_response(command(engine, new_id, "Replay", order))


def _refuse_not_served(query: QueryParams) -> None:
    for name in _NOT_SERVED:
        if query.get(name, "false") != "false":
            raise Refusal(501, f"The sandbox's Kestra does not serve {name} for new executions.")
