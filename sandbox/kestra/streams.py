"""Server-sent events: what the engine announces, pushed to the client as it happens.

Kestra's frames have `id:` (start, progress, end) and `data:`, and no `event:`.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from sandbox.kestra import bridge
from sandbox.kestra.answers import shown_execution
from sandbox.kestra.bridge import failures, java
from sandbox.kestra.engine import TENANT, Engine
from sandbox.kestra.log_lines import Announcements, Line, Wanted, identity, stored_lines

_UNKNOWN_SECONDS = 10
_UNKNOWN_POLL_SECONDS = 0.25
_IDLE_SECONDS = 3600
# When to look again for lines that were on their way to the database: soon, and when all must be there.
_LOOK_AGAIN_SECONDS = (0.25, 1.0)

_Frame = tuple[str, str]
_Queue = asyncio.Queue[Any]


class Streams:
    """All open streams of the door; `close` ends them, so that the server can stop."""

    def __init__(self) -> None:
        self._open: set[_Queue] = set()
        self._closed = False
        self._announcements: Announcements | None = None

    def close(self) -> None:
        """Ends every stream after what is in its queue; later ones end at once. Call it on the event loop."""
        self._closed = True
        for queue in self._open:
            queue.put_nowait(None)

    def follow_execution(self, engine: Engine, execution_id: str) -> StreamingResponse:
        """`start`, then a `progress` per change, then `end`; an unknown execution ends it after 10 s."""
        return _event_stream(self._execution_frames(engine, execution_id))

    def follow_logs(self, engine: Engine, wanted: Wanted) -> StreamingResponse:
        """`start`, then a `progress` per line: those stored, then each as it is written; no `end`."""
        return _event_stream(self._log_frames(engine, wanted))

    async def _execution_frames(self, engine: Engine, execution_id: str) -> AsyncIterator[bytes]:
        yield _encode("start", await run_in_threadpool(_stub, execution_id))
        execution = await self._wait_for(engine, execution_id)
        if execution is None:
            return
        with self._queue() as (queue, push):
            subscription = _Subscription(push)
            try:
                await run_in_threadpool(subscription.open, engine, execution)
                async for frame in self._arriving(queue):
                    yield _encode(*frame)
                    if frame[0] == "end":  # it can come twice: from subscribing and from the queue
                        return
            finally:
                subscription.close()

    async def _log_frames(self, engine: Engine, wanted: Wanted) -> AsyncIterator[bytes]:
        yield _encode("start", "{}")
        if self._announcements is None:
            self._announcements = Announcements(engine)
        announcements = self._announcements
        with self._queue() as (queue, push):
            try:
                # Listening comes first: no line falls between it and reading what is stored.
                await run_in_threadpool(announcements.listen, wanted.execution, push)
                async for line in self._lines(engine, wanted, queue):
                    yield _encode("progress", _dumped(line))
            finally:
                announcements.leave(wanted.execution, push)

    async def _lines(self, engine: Engine, wanted: Wanted, queue: _Queue) -> AsyncIterator[Line]:
        """The stored lines and those announced, none twice; those on their way come a little late."""
        given = set()
        for seconds in (*_LOOK_AGAIN_SECONDS, None):
            for line in await run_in_threadpool(stored_lines, engine, wanted):
                if identity(line) not in given:
                    given.add(identity(line))
                    yield line
            async for line in self._arriving(queue, seconds):
                if wanted.includes(line) and identity(line) not in given:
                    if seconds is not None:
                        given.add(identity(line))
                    yield line

    @contextmanager
    def _queue(self) -> Iterator[tuple[_Queue, Callable[[Any], object]]]:
        """A queue that `close` ends, and how other threads put something into it."""
        loop = asyncio.get_running_loop()
        queue: _Queue = asyncio.Queue()
        self._open.add(queue)
        try:
            yield queue, lambda item: loop.call_soon_threadsafe(queue.put_nowait, item)
        finally:
            self._open.discard(queue)

    async def _arriving(self, queue: _Queue, seconds: float | None = None) -> AsyncIterator[Any]:
        """What comes through the queue, for `seconds` or until its end or an hour of silence."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds if seconds is not None else float("inf")
        while not self._closed:
            try:
                item = await asyncio.wait_for(queue.get(), min(_IDLE_SECONDS, deadline - loop.time()))
            except TimeoutError:
                return
            if item is None:
                return
            yield item

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
    return _dumped(shown_execution(execution))


def _dumped(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _event_stream(frames: AsyncIterator[bytes]) -> StreamingResponse:
    return StreamingResponse(
        frames, headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}
    )


def _encode(frame_id: str, data: str) -> bytes:
    return f"id: {frame_id}\ndata: {data}\n\n".encode("utf-8", "replace")
