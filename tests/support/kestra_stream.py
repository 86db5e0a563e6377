"""A real HTTP server that gives recorded streams of Kestra, frame by frame, and counts who asks."""

from __future__ import annotations

import json
import queue
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.kestra_recordings import recording


class StreamingKestra:
    """`refuse` makes streams answer 503; `polled` is what every other GET says, None is 503 too."""

    def __init__(self, line: str) -> None:
        self.version = recording(line, "configs")["response"]["body"]
        self.url = ""
        self.requests: Counter[str] = Counter()
        self.open = 0
        self.refuse = False
        self.polled: dict[str, Any] | None = None
        self._lock = threading.Lock()
        self._readers: set[queue.Queue[bytes | None]] = set()
        self._given: list[bytes] = []

    def give(self, kind: str, data: Any) -> None:
        """A frame for every open stream; the last one is also what a new stream begins with."""
        frame = f"id: {kind}\ndata: {json.dumps(data)}\n\n".encode()
        with self._lock:
            self._given.append(frame)
            for reader in self._readers:
                reader.put(frame)

    def hang_up(self) -> None:
        """Closes every open stream."""
        with self._lock:
            for reader in self._readers:
                reader.put(None)

    @contextmanager
    def reading(self) -> Iterator[queue.Queue[bytes | None]]:
        reader: queue.Queue[bytes | None] = queue.Queue()
        with self._lock:
            for frame in self._given[-1:]:
                reader.put(frame)
            self._readers.add(reader)
            self.open += 1
        try:
            yield reader
        finally:
            with self._lock:
                self._readers.discard(reader)
                self.open -= 1


@contextmanager
def streaming(line: str) -> Iterator[StreamingKestra]:
    """Serves on a free port of 127.0.0.1 while the block runs."""
    kestra = StreamingKestra(line)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.split("?")[0]
            kestra.requests[path] += 1
            if path.endswith("/follow") and not kestra.refuse:
                self.stream()
            elif path == "/api/v1/configs":
                self.answer(200, kestra.version)
            elif kestra.polled is not None and not path.endswith("/follow"):
                self.answer(200, kestra.polled)
            else:
                self.answer(503, {"message": "not now"})

        def answer(self, status: int, body: Any) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def stream(self) -> None:
            with kestra.reading() as reader:
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.end_headers()
                self.wfile.write(b'id: start\ndata: {"id": "x", "labels": []}\n\n')
                while (frame := reader.get()) is not None:
                    try:
                        self.wfile.write(frame)
                        self.wfile.flush()
                    except OSError:
                        return

        def log_message(self, *arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        kestra.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield kestra
        finally:
            kestra.hang_up()
            server.shutdown()
            thread.join()
