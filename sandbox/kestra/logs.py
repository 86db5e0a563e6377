"""Log lines of an execution."""

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from sandbox.kestra import bridge
from sandbox.kestra.answers import Refusal, json_response
from sandbox.kestra.bridge import failures, java
from sandbox.kestra.engine import TENANT, Engine

_LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR")
_MIN_LEVEL = "filters[level][GREATER_THAN_OR_EQUAL_TO]"
_TASK = "filters[taskId][EQUALS]"


async def get(request: Request) -> Response:
    """`GET /logs/{execution}`: its log lines, oldest first; `[]` for an unknown execution.

    `filters[level][GREATER_THAN_OR_EQUAL_TO]` and `filters[taskId][EQUALS]` narrow it. As in 2.0, other query
    parameters are ignored; another filter is refused (501).
    """
    for name in request.query_params:
        if name.startswith("filters[") and name not in (_MIN_LEVEL, _TASK):
            raise Refusal(501, f"The sandbox's Kestra does not serve {name} on logs.")
    level = request.query_params.get(_MIN_LEVEL)
    if level is not None and level not in _LEVELS:
        raise Refusal(
            422, f"Illegal argument: {level} is no log level. Expected one of: {', '.join(_LEVELS)}"
        )
    task = request.query_params.get(_TASK)
    lines = await run_in_threadpool(
        _get, request.app.state.engine, request.path_params["execution"], level, task
    )
    return json_response(lines)


def _get(engine: Engine, execution_id: str, level: str | None, task: str | None) -> list[dict[str, Any]]:
    with failures():
        minimum = None if level is None else java("org.slf4j.event.Level").valueOf(level)
        tasks = None if task is None else java("java.util.List").of(task)
        service = engine.bean("io.kestra.core.services.ExecutionLogService")
        lines = service.getExecutionLogs(TENANT, execution_id, minimum, None, tasks, None, True)
        shown: list[dict[str, Any]] = bridge.to_python(lines)
    for line in shown:
        line.pop("tenantId", None)
    return shown
