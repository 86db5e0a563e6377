"""Streams of the Kestra door: a subscription at the engine lives as long as its reader."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from starlette.types import Message

from sandbox.kestra import streams
from sandbox.kestra.streams import Streams

SCOPE = {"type": "http", "asgi": {"spec_version": "2.3"}}


class Announcer:
    """Stands in for the engine's side: counts who listens, and announces."""

    def __init__(self) -> None:
        self.listening: list[Callable[[tuple[str, str] | None], object]] = []

    def subscription(self, push: Callable[[tuple[str, str] | None], object]) -> "Announcer.Subscription":
        return self.Subscription(self, push)

    class Subscription:
        def __init__(self, announcer: "Announcer", push: Callable[[Any], object]) -> None:
            self.announcer, self.push = announcer, push

        def open(self, engine: object, execution: object) -> None:
            self.announcer.listening.append(self.push)

        def close(self) -> None:
            self.announcer.listening.remove(self.push)


@pytest.fixture
def announcer(monkeypatch: pytest.MonkeyPatch) -> Announcer:
    found = Announcer()
    monkeypatch.setattr(streams, "_Subscription", found.subscription)
    monkeypatch.setattr(streams, "_find", lambda engine, execution: object())
    monkeypatch.setattr(streams, "_stub", lambda execution: "{}")
    return found


class Reader:
    """A client of one stream, by ASGI's own messages."""

    def __init__(self, open_streams: Streams) -> None:
        self.received: list[bytes] = []
        self.gone = asyncio.Event()
        response = open_streams.follow_execution(None, "x")  # type: ignore[arg-type]
        self.task = asyncio.ensure_future(response(SCOPE, self._receive, self._send))

    async def _receive(self) -> Message:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message.get("body"):
            self.received.append(message["body"])


async def when(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


def test_a_reader_who_leaves_frees_the_subscription(announcer: Announcer) -> None:
    async def scenario() -> None:
        reader = Reader(Streams())
        await when(lambda: len(announcer.listening) == 1)
        reader.gone.set()
        await reader.task
        assert announcer.listening == []

    asyncio.run(scenario())


def test_the_end_comes_once_and_frees_the_subscription(announcer: Announcer) -> None:
    async def scenario() -> None:
        reader = Reader(Streams())
        await when(lambda: len(announcer.listening) == 1)
        for frame in (("progress", "1"), ("end", "2"), ("end", "2"), None):
            announcer.listening[0](frame)
        await asyncio.wait_for(reader.task, 5)
        assert b"".join(reader.received) == (
            b"id: start\ndata: {}\n\nid: progress\ndata: 1\n\nid: end\ndata: 2\n\n"
        )
        assert announcer.listening == []

    asyncio.run(scenario())


def test_closing_ends_all_streams_and_lets_no_new_one_wait(announcer: Announcer) -> None:
    async def scenario() -> None:
        open_streams = Streams()
        readers = [Reader(open_streams) for _ in range(3)]
        await when(lambda: len(announcer.listening) == 3)
        open_streams.close()
        readers.append(Reader(open_streams))
        await asyncio.wait_for(asyncio.gather(*(reader.task for reader in readers)), 5)
        assert announcer.listening == []

    asyncio.run(scenario())
