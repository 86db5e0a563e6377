"""Log lines of an execution: all of them so far, or one by one as they are written."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from sandbox.kestra.answers import json_response
from sandbox.kestra.log_lines import Wanted, stored_lines
from sandbox.kestra.streams import Streams


async def get(request: Request) -> Response:
    """`GET /logs/{execution}`: its log lines, oldest first; `[]` for an unknown execution.

    `filters[level][GREATER_THAN_OR_EQUAL_TO]` and `filters[taskId][EQUALS]` narrow it.
    """
    wanted = Wanted.of(request.path_params["execution"], request.query_params)
    lines = await run_in_threadpool(stored_lines, request.app.state.engine, wanted)
    for line in lines:
        line.pop("tenantId", None)
    return json_response(lines)


async def follow(request: Request) -> Response:
    """`GET /logs/{execution}/follow`: each line as a server-sent event, those so far first.

    Narrowed as `get` is. It never ends by itself: whoever reads decides when to stop.
    """
    wanted = Wanted.of(request.path_params["execution"], request.query_params)
    streams: Streams = request.app.state.streams
    return streams.follow_logs(request.app.state.engine, wanted)
