"""Outputs of task runs, which 2.0 keeps outside the execution."""

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from sandbox.kestra import bridge
from sandbox.kestra.answers import Refusal, json_response
from sandbox.kestra.bridge import failures
from sandbox.kestra.engine import TENANT, Engine


async def of_execution(request: Request) -> Response:
    """`GET /outputs/{execution}`: which task runs have outputs; 404 for an unknown execution."""
    return json_response(await run_in_threadpool(_list, request.app.state.engine, **request.path_params))


def _list(engine: Engine, execution: str) -> list[dict[str, Any]]:
    with failures():
        found = _existing(engine, execution)
        repository = engine.bean("io.kestra.core.repositories.TaskOutputRepositoryInterface")
        shown = []
        for output in repository.findByExecution(found):
            # A task run can be gone while its outputs are still there: LoopUntil prunes only the former.
            task_run = bridge.optional(found.findTaskRunByTaskRunIdIfPresent(output.taskRunId()))
            if task_run is not None:
                entry = {
                    "taskId": str(task_run.getTaskId()),
                    "taskRunId": str(task_run.getId()),
                    "value": bridge.to_python(task_run.getValue()),
                    "iteration": bridge.to_python(task_run.getIteration()),
                    "inline": output.value() is not None,
                }
                shown.append({name: value for name, value in entry.items() if value is not None})
        return shown


async def of_task_run(request: Request) -> Response:
    """`GET /outputs/{execution}/{task_run}`: the outputs of one task run by name; 404 unknown."""
    return json_response(await run_in_threadpool(_one, request.app.state.engine, **request.path_params))


def _one(engine: Engine, execution: str, task_run: str) -> Any:
    with failures():
        found = bridge.optional(_existing(engine, execution).findTaskRunByTaskRunIdIfPresent(task_run))
        if found is None:
            raise Refusal(404, "Not Found")
        return bridge.to_python(engine.bean("io.kestra.core.services.TaskOutputService").getOutputs(found))


def _existing(engine: Engine, execution_id: str) -> Any:
    execution = bridge.optional(engine.executions.findById(TENANT, execution_id))
    if execution is None:
        raise Refusal(404, "Not Found")
    return execution
