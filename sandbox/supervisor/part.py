"""One process of the sandbox: start, ready, stop."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox.processes import die_with_parent

_POLL_SECONDS = 0.05


class PartFailed(Exception):
    """A part or a command ended where it should not, or did not get ready in time."""


@dataclass(frozen=True)
class Program:
    """What to run: `environment` is the whole environment, secrets included."""

    name: str
    command: list[str]
    environment: Mapping[str, str]
    log: Path

    def start(self) -> "subprocess.Popen[bytes]":
        """Starts the program in a session of its own; its output goes to the end of its log."""
        descriptor = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            return subprocess.Popen(
                self.command,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=descriptor,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent(),
            )
        finally:
            os.close(descriptor)

    def last_line(self) -> str:
        """The last line the program wrote; empty when it wrote none."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 4096))
            lines = [line for line in file.read().decode(errors="replace").splitlines() if line.strip()]
        return lines[-1].strip() if lines else ""

    def failure(self, what: str) -> PartFailed:
        return PartFailed(f"{self.name} {what}: {self.last_line() or 'it said nothing'} (log: {self.log})")


class Part:
    """A program that keeps running; `is_ready` asks it from outside and must not block for long."""

    def __init__(self, program: Program, is_ready: Callable[[], bool], ready_seconds: float) -> None:
        self.program = program
        self.name = program.name
        self._is_ready = is_ready
        self._ready_seconds = ready_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self.started_at = 0.0

    def start(self) -> None:
        """Starts the process; an earlier one must have ended."""
        self._process = self.program.start()
        self.started_at = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started_at

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def ended(self) -> int | None:
        """Exit code of an ended process, else None."""
        return self._process.poll() if self._process else None

    def wait_ready(self, tell: Callable[[str], None]) -> None:
        """Returns when the part is ready; raises PartFailed when it ended or takes too long.

        `tell` gets the part's latest line of output while it is waited for.
        """
        while not self._is_ready():
            if self.ended() is not None:
                raise self.program.failure(f"ended with exit code {self.ended()}")
            if self.seconds > self._ready_seconds:
                raise self.program.failure(f"was not ready after {self._ready_seconds:.0f} s")
            tell(self.program.last_line())
            time.sleep(_POLL_SECONDS)

    def ask_to_stop(self) -> None:
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def wait_stopped(self, seconds: float) -> None:
        """Waits for the end; what has not ended by then is killed with all it started."""
        if not self._process:
            return
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def run_to_end(program: Program, tell: Callable[[str], None]) -> None:
    """Runs a command to its end; raises PartFailed unless it exits with 0."""
    process = program.start()
    try:
        while process.poll() is None:
            tell(program.last_line())
            time.sleep(_POLL_SECONDS)
    except BaseException:
        process.terminate()
        process.wait()
        raise
    if process.returncode:
        raise program.failure(f"ended with exit code {process.returncode}")
