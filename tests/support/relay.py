"""A real HTTP server on loopback that hands requests on, unless a test says it is down for some of them.

With a `weather` it is a bad network: it delays, cuts, doubles and drips as a seed says.
"""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

from tests.support.weather import Trouble, Weather

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
_DRIPS = 10
_DRIP_SECONDS = 0.05
# A stream that is to be cut is cut before so many of its pieces have gone through.
_PIECES = 12


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
        self.weather: Weather | None = None
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

    def trouble(self, method: str, path: str, body: bytes) -> Trouble | None:
        """What the weather does to this request."""
        return self.weather.next(f"{method} {path}\n".encode() + body) if self.weather else None

    def hand_on(self, method: str, path: str, headers: dict[str, str], body: bytes) -> httpx.Response:
        return self._target.request(method, path, headers=headers, content=body)

    def hand_on_twice(self, method: str, path: str, headers: dict[str, str], body: bytes) -> httpx.Response:
        """Both arrive at the same moment; the answer is the later one, which is the worse to understand."""
        with ThreadPoolExecutor(2) as pool:
            answers = [pool.submit(self.hand_on, method, path, headers, body) for _ in range(2)]
            return list(as_completed(answers))[-1].result()

    def stream(self, path: str, headers: dict[str, str]) -> AbstractContextManager[httpx.Response]:
        # Pieces are handed on as they come, so they must not be compressed.
        plain = {name: value for name, value in headers.items() if name.lower() != "accept-encoding"}
        return self._target.stream("GET", path, headers=plain | {"Accept-Encoding": "identity"})

    def close(self) -> None:
        self._target.close()


@contextmanager
def relay(target: str) -> Iterator[Relay]:
    """Serves on a free port of 127.0.0.1 while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {n: v for n, v in self.headers.items() if n.lower() not in _NOT_HANDED_ON}
            outage = server.wrong(self.path, body)
            trouble = None if outage else server.trouble(self.command, self.path, body)
            how = outage.how if outage else trouble.how if trouble else ""
            if outage and how.startswith("hold"):
                outage.wait()
            if trouble and how == "delay":
                time.sleep(trouble.seconds)
            if how in ("drop", "hold_and_drop"):
                return
            if how.isdigit():
                self.send_error(int(how))
                return
            if self.headers.get("accept") == "text/event-stream":
                self.stream(headers, trouble)
                return
            hand_on = server.hand_on_twice if how == "twice" else server.hand_on
            answer = hand_on(self.command, self.path, headers, body)
            if how == "lost":
                return
            self.begin(answer)
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            size = max(1, -(-len(answer.content) // _DRIPS)) if how == "drip" else len(answer.content) or 1
            for start in range(0, len(answer.content), size):
                if how == "drip":
                    time.sleep(_DRIP_SECONDS)
                self.wfile.write(answer.content[start : start + size])

        def begin(self, answer: httpx.Response) -> None:
            self.send_response(answer.status_code)
            for name, value in answer.headers.items():
                if name.lower() not in _NOT_HANDED_ON:
                    self.send_header(name, value)

        def stream(self, headers: dict[str, str], trouble: Trouble | None) -> None:
            """Hands each piece on as it comes; a stream whose answer is to be lost is cut on its way."""
            how = trouble.how if trouble else ""
            left = int(_PIECES * trouble.share) if trouble and how == "lost" else FOR_EVER
            with suppress(httpx.HTTPError, OSError), server.stream(self.path, headers) as answer:
                self.begin(answer)
                self.end_headers()
                for piece in answer.iter_raw():
                    for part in (piece[:1], piece[1:]) if how == "drip" else (piece,):
                        if how == "drip":
                            time.sleep(_DRIP_SECONDS)
                        self.wfile.write(part)
                        self.wfile.flush()
                    left -= 1
                    if left <= 0:
                        return

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
