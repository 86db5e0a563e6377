"""Executions: read, search, follow, and the actions on them."""

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from sandbox.kestra import bridge, queries
from sandbox.kestra.answers import Refusal, json_response, shown_execution
from sandbox.kestra.bodies import read_form
from sandbox.kestra.bridge import failures, java
from sandbox.kestra.engine import TENANT, Engine
from sandbox.kestra.orders import command, existing, submit
from sandbox.kestra.streams import Streams

# What the API of 2.0 leaves out of a task run: it has outputs of their own address.
_NOT_IN_TASK_RUN = ("executionId", "namespace", "flowId", "outputs")
_NOT_IN_SEARCH = ("taskRunList", "outputs", "deleted", "metadata")


async def get(request: Request) -> Response:
    """`GET /executions/{execution}`: the execution in the slim form of 2.0; 404 if unknown."""
    return json_response(
        await run_in_threadpool(_get, request.app.state.engine, request.path_params["execution"])
    )


def _get(engine: Engine, execution_id: str) -> dict[str, Any]:
    with failures():
        execution = bridge.optional(engine.executions.findById(TENANT, execution_id))
        if execution is None:
            raise Refusal(404, "Not Found")
        shown = {"tenantId": TENANT} | shown_execution(execution)
        outputs = engine.bean("io.kestra.core.services.ExecutionOutputService").getOutputs(execution)
        if outputs:
            shown["outputs"] = bridge.to_python(outputs)
    shown.pop("deleted", None)
    for task_run in shown.get("taskRunList", ()):
        for name in _NOT_IN_TASK_RUN:
            task_run.pop(name, None)
    return shown


async def search(request: Request) -> Response:
    """`GET /executions/search`: a page of executions without their task runs; 422 for an unknown filter."""
    return json_response(await run_in_threadpool(_search, request.app.state.engine, request.query_params))


def _search(engine: Engine, query: QueryParams) -> dict[str, Any]:
    with failures():
        wanted = queries.filters(query, "EXECUTION")
        page = queries.page(query, "searchExecutions", engine.executions.sortMapping())
        found = engine.executions.find(page, TENANT, wanted)
        shown = [{"tenantId": TENANT} | shown_execution(execution) for execution in found]
    for each in shown:
        for name in _NOT_IN_SEARCH:
            each.pop(name, None)
    return queries.results(found, shown)


async def delete(request: Request) -> Response:
    """`DELETE /executions/{execution}`: 204, it is gone with logs and files, whatever its state; else 404."""
    await run_in_threadpool(_delete, request.app.state.engine, request.path_params["execution"])
    return Response(status_code=204)


def _delete(engine: Engine, execution_id: str) -> None:
    with failures():
        execution = bridge.optional(engine.executions.findById(TENANT, execution_id))
        if execution is None:
            raise Refusal(404, "Not Found")
        service = engine.bean("io.kestra.core.services.ExecutionService")
        service.delete(execution, True, True, True)


async def flow(request: Request) -> Response:
    """`GET /executions/{execution}/flow`: the flow in the revision that runs, without what its tasks say."""
    return json_response(
        await run_in_threadpool(_flow, request.app.state.engine, request.path_params["execution"])
    )


def _flow(engine: Engine, execution_id: str) -> dict[str, Any]:
    with failures():
        flow = engine.flows.findByExecutionWithoutAcl(existing(engine, execution_id)).toFlow()
        shown: dict[str, Any] = bridge.to_python(
            java("io.kestra.core.models.flows.FlowForExecution").of(flow)
        )
    shown.pop("tenantId", None)
    return shown


async def follow(request: Request) -> Response:
    """`GET /executions/{execution}/follow`: every change as a server-sent event, until it has ended."""
    streams: Streams = request.app.state.streams
    return streams.follow_execution(request.app.state.engine, request.path_params["execution"])


async def resume(request: Request) -> Response:
    """`POST /executions/{execution}/actions/resume`, multipart: one field per `onResume` input of the Pause.

    200 with the execution, 404 unknown, 409 not paused, 415 another body, 422 an input is missing or wrong.
    """
    fields = await read_form(request)
    return await run_in_threadpool(
        _resume, request.app.state.engine, request.path_params["execution"], fields
    )


def _resume(engine: Engine, execution_id: str, fields: list[tuple[str, bytes]]) -> Response:
    with failures():
        service = engine.bean("io.kestra.core.services.ExecutionService")
        execution = service.getExecutionIfPause(TENANT, execution_id, True)
        flow = engine.flows.findByExecutionWithoutAcl(execution)
        parts = bridge.publisher(bridge.form_part(name, value) for name, value in fields)
        inputs = service.readInputs(execution, flow, parts).block()
        resumed = java("io.kestra.plugin.core.flow.Pause$Resumed").now()
        order = java("io.kestra.core.executor.command.Resume").from_(execution, resumed, inputs)
        return json_response(command(engine, execution_id, "Resume", order))


async def validate_resume(request: Request) -> Response:
    """`POST /executions/{execution}/actions/resume/validate`: 200 with what is wrong with each input."""
    fields = await read_form(request)
    return await run_in_threadpool(
        _validate_resume, request.app.state.engine, request.path_params["execution"], fields
    )


def _validate_resume(engine: Engine, execution_id: str, fields: list[tuple[str, bytes]]) -> Response:
    with failures():
        service = engine.bean("io.kestra.core.services.ExecutionService")
        execution = service.getExecutionIfPause(TENANT, execution_id, True)
        flow = engine.flows.findByExecutionWithoutAcl(execution).toFlow()
        parts = bridge.publisher(bridge.form_part(name, value) for name, value in fields)
        found = service.validateForResume(execution, flow, parts).block()
        inputs = [_shown_input(each) for each in found]
        return json_response(
            {"id": str(flow.getId()), "namespace": str(flow.getNamespace()), "inputs": inputs, "checks": []}
        )


def _shown_input(found: Any) -> dict[str, Any]:
    shown = {
        "input": bridge.to_python(found.input()),
        "value": bridge.to_python(found.value()),
        "enabled": bool(found.enabled()),
        "isDefault": bool(found.isDefault()),
        "errors": [{"message": str(problem.getMessage())} for problem in found.exceptions() or ()],
    }
    if shown["value"] is None:
        del shown["value"]
    return shown


async def restart(request: Request) -> Response:
    """`POST /executions/{execution}/actions/restart`: runs again from the failed task, under the same id."""
    return await run_in_threadpool(_restart, request.app.state.engine, request.path_params["execution"])


def _restart(engine: Engine, execution_id: str) -> Response:
    with failures():
        order = java("io.kestra.core.executor.command.Restart").from_(existing(engine, execution_id), None)
        return json_response(command(engine, execution_id, "Restart", order))


async def kill(request: Request) -> Response:
    """`DELETE /executions/{execution}/actions/kill`: 200 with the execution, also when it had ended."""
    return await run_in_threadpool(_kill, request.app.state.engine, request.path_params["execution"])


def _kill(engine: Engine, execution_id: str) -> Response:
    with failures():
        execution = existing(engine, execution_id)
        if execution.getState().isTerminated():
            return json_response(shown_execution(execution))
        queue = engine.generic_bean(
            "io.kestra.core.queues.BroadcastQueueInterface",
            "io.kestra.core.models.executions.ExecutionKilled",
        )
        order = (
            java("io.kestra.core.models.executions.ExecutionKilledExecution")
            .builder()
            .state(java("io.kestra.core.models.executions.ExecutionKilled$State").REQUESTED)
            .executionId(execution_id)
            .isOnKillCascade(True)
            .tenantId(TENANT)
        )
        killed = submit(
            engine, execution_id, "Kill", lambda operation: queue.emit(order.operationId(operation).build())
        )
        return json_response(killed)
