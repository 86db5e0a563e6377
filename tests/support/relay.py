"""A real HTTP server on loopback that hands requests on, unless a test says it is down for some of them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

# What belongs to one connection only, or is written anew.
_NOT_HANDED_ON = {
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "content-encoding",
    "date",
    "server",
}
FOR_EVER = 1_000_000
HELD_AT_MOST_SECONDS = 120


@dataclass
class Outage:
    """`times` more requests to an address that ends in `path`, with all `texts` in address or body, go wrong.

    `how`: drop (never arrives), lost (arrives, its answer does not), hold (arrives once `over`),
    hold_and_drop (never arrives, and that shows once `over`), or an HTTP status.
    """

    path: str
    texts: tuple[str, ...]
    how: str
    times: int
    _over: threading.Event = field(default_factory=threading.Event)

    def over(self) -> None:
        """Nothing more goes wrong; what was held is handed on."""
        self.times = 0
        self._over.set()

    def wait(self) -> None:
        self._over.wait(HELD_AT_MOST_SECONDS)

    def takes(self, path: str, body: bytes) -> bool:
        return (
            self.times > 0
            and path.split("?")[0].endswith(self.path)
            and all(text in path or text.encode() in body for text in self.texts)
        )


class Relay:
    """`url` stands for the server behind it."""

    def __init__(self, url: str, target: str) -> None:
        self.url = url
        self._outages: list[Outage] = []
        self._lock = threading.Lock()
        self._target = httpx.Client(base_url=target, timeout=60, trust_env=False)

    def down(self, path: str, *texts: str, how: str = "drop", times: int = FOR_EVER) -> Outage:
        """From now on, until it is `over`."""
        outage = Outage(path, texts, how, times)
        with self._lock:
            self._outages.append(outage)
        return outage

    def forget(self, text: str) -> None:
        """Ends every outage of this text."""
        with self._lock:
            for outage in self._outages:
                if text in outage.texts:
                    outage.over()

    def wrong(self, path: str, body: bytes) -> Outage | None:
        """The outage that this request meets, None if it is handed on."""
        with self._lock:
            found = next((outage for outage in self._outages if outage.takes(path, body)), None)
            if found is not None:
                found.times -= 1
            return found

    def hand_on(self, method: str, path: str, headers: dict[str, str], body: bytes) -> httpx.Response:
        return self._target.request(method, path, headers=headers, content=body)

    def close(self) -> None:
        self._target.close()


@contextmanager
def relay(target: str) -> Iterator[Relay]:
    """Serves on a free port of 127.0.0.1 while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            outage = server.wrong(self.path, body)
            how = outage.how if outage else ""
            if outage and how.startswith("hold"):
                outage.wait()
            if how in ("drop", "hold_and_drop"):
                return
            if how.isdigit():
                self.send_error(int(how))
                return
            headers = {n: v for n, v in self.headers.items() if n.lower() not in _NOT_HANDED_ON}
            answer = server.hand_on(self.command, self.path, headers, body)
            if how == "lost":
                return
            self.send_response(answer.status_code)
            for name, value in answer.headers.items():
                if name.lower() not in _NOT_HANDED_ON:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        listener.daemon_threads = True
        server = Relay(f"http://127.0.0.1:{listener.server_port}", target)
        thread = threading.Thread(target=listener.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            listener.shutdown()
            thread.join()
            server.close()
