"""A small balancer in front of several desks: every connection goes to the next one that takes it."""

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_CHUNK = 64 * 1024


class Balancer:
    """`url` stands for all of them; `taken` counts the connections each has had."""

    def __init__(self, ports: list[int]) -> None:
        self._ports = ports
        self._turn = 0
        self.taken: Counter[int] = Counter()
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to the next desk that accepts; closed at once if none does."""
        for _ in self._ports:
            port = self._ports[self._turn % len(self._ports)]
            self._turn += 1
            try:
                behind = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                continue
            self.taken[port] += 1
            await asyncio.gather(_pump(reader, behind[1]), _pump(behind[0], writer))
            return
        writer.close()


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Hands on what comes until one side ends; both ends are closed then."""
    try:
        with suppress(OSError):
            while chunk := await source.read(_CHUNK):
                target.write(chunk)
                await target.drain()
    finally:
        target.close()
        with suppress(OSError):
            await target.wait_closed()


@contextmanager
def balancer(ports: list[int]) -> Iterator[Balancer]:
    """Serves on a free port of 127.0.0.1 while the block runs."""
    balanced = Balancer(ports)
    ready, stop, loop = threading.Event(), asyncio.Event(), asyncio.new_event_loop()

    async def run() -> None:
        server = await asyncio.start_server(balanced.serve, "127.0.0.1", 0)
        balanced.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        ready.set()
        await stop.wait()
        server.close()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def main() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(run())

    thread = threading.Thread(target=main, daemon=True)
    thread.start()
    ready.wait()
    try:
        yield balanced
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
