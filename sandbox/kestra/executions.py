"""Executions: read, follow, and the actions on them."""

from collections.abc import Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from sandbox.kestra import bridge
from sandbox.kestra.answers import Refusal, json_response, shown_execution
from sandbox.kestra.bodies import read_form
from sandbox.kestra.bridge import failures, java
from sandbox.kestra.engine import TENANT, Engine
from sandbox.kestra.streams import Streams

_ACTION_SECONDS = 10
# What the API of 2.0 leaves out of a task run: it has outputs of their own address.
_NOT_IN_TASK_RUN = ("executionId", "namespace", "flowId", "outputs")


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
        command = java("io.kestra.core.executor.command.Resume").from_(execution, resumed, inputs)
        return _command(engine, execution_id, "Resume", command)


async def restart(request: Request) -> Response:
    """`POST /executions/{execution}/actions/restart`: runs again from the failed task, under the same id."""
    return await run_in_threadpool(_restart, request.app.state.engine, request.path_params["execution"])


def _restart(engine: Engine, execution_id: str) -> Response:
    with failures():
        execution = _existing(engine, execution_id)
        command = java("io.kestra.core.executor.command.Restart").from_(execution, None)
        return _command(engine, execution_id, "Restart", command)


async def kill(request: Request) -> Response:
    """`DELETE /executions/{execution}/actions/kill`: 200 with the execution, also when it had ended."""
    return await run_in_threadpool(_kill, request.app.state.engine, request.path_params["execution"])


def _kill(engine: Engine, execution_id: str) -> Response:
    with failures():
        execution = _existing(engine, execution_id)
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
        return _submit(
            engine, execution_id, "Kill", lambda operation: queue.emit(order.operationId(operation).build())
        )


def _existing(engine: Engine, execution_id: str) -> Any:
    return engine.bean("io.kestra.core.services.ExecutionService").getExecution(TENANT, execution_id, True)


def _command(engine: Engine, execution_id: str, action: str, command: Any) -> Response:
    queue = engine.generic_bean(
        "io.kestra.core.queues.DispatchQueueInterface", "io.kestra.core.executor.command.ExecutionCommand"
    )
    return _submit(
        engine, execution_id, action, lambda operation: queue.emit(command.withOperationId(operation))
    )


def _submit(engine: Engine, execution_id: str, action: str, emit: Callable[[Any], object]) -> Response:
    """Sends an order to the executor and waits until it was carried out or refused (409)."""
    waiter = engine.bean("io.kestra.core.services.AsyncOperationWaiter")
    event = waiter.submitAndWait(execution_id, bridge.consumer(emit), bridge.seconds(_ACTION_SECONDS))
    if str(event.outcome()) != "SUCCEEDED":
        raise Refusal(
            409,
            f"Conflict: Failed to execute action '{action}' on execution '{execution_id}': {event.error()}",
        )
    return json_response(shown_execution(_existing(engine, execution_id)))
