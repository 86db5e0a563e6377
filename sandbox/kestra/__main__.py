"""`python -m sandbox.kestra --data DIR --port N`: starts the engine, serves its door, stops on a signal."""

import os
import signal
import socket
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer
import uvicorn

from sandbox.kestra import bridge, engine
from sandbox.kestra.archive import archive_file, class_path, train_in_background
from sandbox.kestra.bridge import JavaFailure, failures
from sandbox.kestra.classes import CompileError
from sandbox.kestra.door import DoorSettings, build_door
from sandbox.kestra.jars import JarError
from sandbox.kestra.purge import purge_regularly
from sandbox.kestra.streams import Streams
from sandbox.serving import KEEP_ALIVE_SECONDS, refuse_to_start


def main(
    data: Annotated[Path, typer.Option(help="Folder for database, files and keys; made if missing.")],
    port: Annotated[int, typer.Option(help="Port of the HTTP door on 127.0.0.1.")] = 8080,
    username: Annotated[
        str, typer.Option(envvar="KESTRA_USERNAME", help="An e-mail address.")
    ] = "admin@kestra.io",
    keep: Annotated[int, typer.Option(help="So many executions that have ended are kept.")] = 1000,
    purge_seconds: Annotated[float, typer.Option(help="How often the older ones are removed.")] = 600.0,
    purge_age_seconds: Annotated[float, typer.Option(help="None is removed that is younger.")] = 3600.0,
    host: Annotated[
        list[str] | None, typer.Option(help="Another host name the door is addressed by.")
    ] = None,
) -> None:
    """Runs the real Kestra engine behind a small HTTP door. The password comes from KESTRA_PASSWORD."""
    # Taken out of the environment, which the scripts of a flow inherit.
    password = os.environ.pop("KESTRA_PASSWORD", "")
    if not password:
        refuse_to_start("Kestra needs KESTRA_PASSWORD, the password of its door.")
    for stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop, _leave_at_once)
    listener = _listener(port)
    settings = DoorSettings(username, password, frozenset(host or ()))
    started = _start(data.resolve(), f"http://127.0.0.1:{listener.getsockname()[1]}/")
    purge_regularly(started, keep, purge_seconds, purge_age_seconds)
    streams = Streams()
    server = _Server(uvicorn.Config(build_door(started, streams, settings), log_level="warning"), streams)
    _say(f"Kestra {started.version} on {started.url}")
    server.run(sockets=[listener])
    for stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop, signal.SIG_IGN)  # Ctrl-C and the supervisor's signal often come both
    started.stop()
    _end(0)


class _Server(uvicorn.Server):
    """Ends open streams when a signal comes, so that the server need not wait for them."""

    def __init__(self, config: uvicorn.Config, streams: Streams) -> None:
        config.timeout_graceful_shutdown = 1
        config.lifespan = "off"
        config.timeout_keep_alive = KEEP_ALIVE_SECONDS
        super().__init__(config)
        self._streams = streams

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._streams.close()
        await super().shutdown(sockets)


def _start(data: Path, url: str) -> engine.Engine:
    """Starts the JVM and the engine on a thread: a signal is not heard while the main thread is in Java."""
    result: list[engine.Engine | Exception] = []

    def run() -> None:
        try:
            jars = class_path()
            engine.prepare(data)
            archive = archive_file(jars)
            _say("engine starting" if archive.is_file() else "engine starting, the first time takes longer")
            bridge.start_jvm(jars, [*engine.jvm_options(data), f"-XX:AOTCache={archive}"])
            with failures():
                result.append(engine.start(data, url))
            if not archive.is_file():
                train_in_background(archive, data / "tmp" / "archive")
        except (JarError, CompileError, engine.DataInUse, JavaFailure, OSError) as error:
            result.append(error)

    thread = threading.Thread(target=run, name="engine-start", daemon=True)
    thread.start()
    thread.join()
    if result and isinstance(result[0], engine.Engine):
        return result[0]
    reason = result[0] if result else "see above"
    sys.stderr.write(f"Kestra did not start: {reason} More may be in {data / 'engine.log'}.\n")
    return _end(1)


def _listener(port: int) -> socket.socket:
    """The door's socket, bound before the slow start so that a taken port is known at once."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        refuse_to_start(f"Kestra cannot listen on 127.0.0.1:{port}: {error.strerror}. Choose another --port.")
    return listener


def _leave_at_once(signum: int, frame: FrameType | None) -> None:
    """Before the door is open there is nothing to lose: the next start repairs or repeats what was begun."""
    _end(0)


def _end(code: int) -> NoReturn:
    """Ends the process without the JVM's own way down, which waits for every thread of the engine."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    typer.run(main)
