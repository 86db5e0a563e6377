"""Server-sent events: what the engine announces, pushed to the client as it happens.

Kestra's frames have `id:` (start, progress, end) and `data:`, and no `event:`.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from sandbox.kestra import bridge
from sandbox.kestra.answers import shown_execution
from sandbox.kestra.bridge import failures, java
from sandbox.kestra.engine import TENANT, Engine

_UNKNOWN_SECONDS = 10
_UNKNOWN_POLL_SECONDS = 0.25
_IDLE_SECONDS = 3600

_Frame = tuple[str, str]


class Streams:
    """All open streams of the door; `close` ends them, so that the server can stop."""

    def __init__(self) -> None:
        self._open: set[asyncio.Queue[_Frame | None]] = set()
        self._closed = False

    def close(self) -> None:
        """Ends every stream after what is in its queue; later ones end at once. Call it on the event loop."""
        self._closed = True
        for queue in self._open:
            queue.put_nowait(None)

    def follow_execution(self, engine: Engine, execution_id: str) -> StreamingResponse:
        """`start`, then a `progress` per change, then `end`; an unknown execution ends it after 10 s."""
        return StreamingResponse(
            self._frames(engine, execution_id),
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"},
        )

    async def _frames(self, engine: Engine, execution_id: str) -> AsyncIterator[bytes]:
        yield _encode("start", await run_in_threadpool(_stub, execution_id))
        execution = await self._wait_for(engine, execution_id)
        if execution is None:
            return
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[_Frame | None] = asyncio.Queue()
        subscription = _Subscription(lambda frame: loop.call_soon_threadsafe(queue.put_nowait, frame))
        self._open.add(queue)
        try:
            await run_in_threadpool(subscription.open, engine, execution)
            while not self._closed:
                frame = await asyncio.wait_for(queue.get(), _IDLE_SECONDS)
                if frame is None:
                    return
                yield _encode(*frame)
                if frame[0] == "end":  # it can come twice: from subscribing and from the queue
                    return
        except TimeoutError:
            return
        finally:
            self._open.discard(queue)
            subscription.close()

    async def _wait_for(self, engine: Engine, execution_id: str) -> Any | None:
        """The execution, or None if there is still none after 10 s: its creation may be on its way."""
        deadline = asyncio.get_running_loop().time() + _UNKNOWN_SECONDS
        while not self._closed and asyncio.get_running_loop().time() < deadline:
            execution = await run_in_threadpool(_find, engine, execution_id)
            if execution is not None:
                return execution
            await asyncio.sleep(_UNKNOWN_POLL_SECONDS)
        return None


class _Subscription:
    """One listener at Kestra's ExecutionStreamingService; `push` gets its frames, and None after the last."""

    def __init__(self, push: Callable[[_Frame | None], object]) -> None:
        self._push = push
        self._disposable: Any = None

    def open(self, engine: Engine, execution: Any) -> None:
        with failures():
            flow = engine.flows.findByExecutionWithoutAcl(execution)
            events = engine.bean("io.kestra.core.services.WebhookService").followExecution(execution, flow)
            self._disposable = events.subscribe(
                bridge.consumer(lambda event: self._push((str(event.getId()), _json(event.getData())))),
                bridge.consumer(lambda error: self._push(None)),
                bridge.runnable(lambda: self._push(None)),
            )
            # Read after subscribing: no change falls between the two. An end was sent by subscribing.
            current = engine.executions.findByIdWithoutAcl(TENANT, execution.getId()).get()
            streaming = engine.bean("io.kestra.core.services.ExecutionStreamingService")
            if not streaming.isStopFollow(flow, current):
                self._push(("progress", _json(current)))

    def close(self) -> None:
        if self._disposable is not None:
            self._disposable.dispose()


def _find(engine: Engine, execution_id: str) -> Any | None:
    with failures():
        return bridge.optional(engine.executions.findById(TENANT, execution_id))


def _stub(execution_id: str) -> str:
    """What the `start` frame holds: an execution of which only the id is known, so it has no state."""
    return _json(java("io.kestra.core.models.executions.Execution").builder().id(execution_id).build())


def _json(execution: Any) -> str:
    return json.dumps(shown_execution(execution), ensure_ascii=False, separators=(",", ":"))


def _encode(frame_id: str, data: str) -> bytes:
    return f"id: {frame_id}\ndata: {data}\n\n".encode("utf-8", "replace")
