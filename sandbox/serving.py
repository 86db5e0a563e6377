"""How a small HTTP part of the sandbox listens, reports and stops."""

import signal
import socket
import sys
from types import FrameType
from typing import NoReturn

import uvicorn
from starlette.types import ASGIApp

# Longer than clients keep an idle connection (httpx: 5 s): whoever uses one again never finds it closed.
KEEP_ALIVE_SECONDS = 60


def refuse_to_start(sentence: str) -> NoReturn:
    """Ends the program with exit code 1 and one sentence on stderr."""
    sys.stderr.write(sentence + "\n")
    raise SystemExit(1)


def _leave(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


def serve(app: ASGIApp, *, port: int, part: str) -> None:
    """Serves `app` on 127.0.0.1 until SIGTERM or SIGINT; returns within about a second of the signal.

    The socket is bound here, not by uvicorn, so that a taken port is one sentence and not a traceback.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        refuse_to_start(
            f"The {part} cannot listen on 127.0.0.1:{port}: {error.strerror}. Choose another --port."
        )
    sys.stdout.write(f"{part} on http://127.0.0.1:{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    # uvicorn raises the signal again when it has stopped; being told to stop is no failure.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    config = uvicorn.Config(
        app,
        log_level="warning",
        lifespan="off",
        timeout_graceful_shutdown=1,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
    uvicorn.Server(config).run(sockets=[listener])
