"""The numbers of a worker that runs by itself: a small server, on this machine unless told otherwise."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from dashboard import metrics
from dashboard.errors import ConfigurationError
from dashboard.loopback import is_loopback

StartResponse = Callable[[str, list[tuple[str, str]]], object]


class _Quiet(WSGIRequestHandler):
    timeout = 10

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Who reads numbers is not worth a line."""


@contextmanager
def serving(host: str, port: int, token: str | None) -> Iterator[int]:
    """Answer `/metrics` and `/healthz` from a thread; yields the port, which `0` lets the system choose.

    Raises ConfigurationError for another address than this machine's without a token, and for a taken port.
    """
    if token is None and not is_loopback(host):
        raise ConfigurationError(
            f"On {host} the numbers need INCIDENTSCRIBE_METRICS_TOKEN.",
            keys=["INCIDENTSCRIBE_METRICS_TOKEN"],
        )
    try:
        server = make_server(host, port, _application(token), handler_class=_Quiet)
    except OSError as error:
        raise ConfigurationError(
            f"The numbers cannot be served on {host}:{port}: {error.strerror}.", to_do="Name another port."
        ) from error
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    try:
        yield int(server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _application(token: str | None) -> Callable[[dict[str, Any], StartResponse], Iterable[bytes]]:
    def answer(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        status, kind, body = _answer(environ, token)
        headers = [("Content-Type", kind), ("Content-Length", str(len(body))), ("Cache-Control", "no-store")]
        start_response(status, headers)
        return [body]

    return answer


def _answer(environ: dict[str, Any], token: str | None) -> tuple[str, str, bytes]:
    path, text = environ.get("PATH_INFO"), "text/plain; charset=utf-8"
    if path == "/healthz":
        return "200 OK", text, b"ok\n"
    if path != "/metrics":
        return "404 Not Found", text, b"Not found.\n"
    given = str(environ.get("HTTP_AUTHORIZATION", ""))
    if token is not None and not metrics.is_bearer(given, token):
        return "403 Forbidden", text, b"Refused: INCIDENTSCRIBE_METRICS_TOKEN.\n"
    return "200 OK", metrics.CONTENT_TYPE, metrics.exposition()
