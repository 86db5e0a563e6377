"""A part of the sandbox for tests, started by its own command."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from sandbox.processes import die_with_parent
from tests.support.until import until

ROOT = Path(__file__).parents[2]


@contextmanager
def program(
    module: str, *arguments: object, ready: str, log: Path, environment: dict[str, str], seconds: float = 30
) -> Iterator["subprocess.Popen[bytes]"]:
    """`python -m module arguments` while the block runs, once `ready` answers 200; ended by SIGTERM."""
    command = [sys.executable, "-m", module, *(str(each) for each in arguments)]
    scripts = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "PATH": scripts} | environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=die_with_parent(),
        )

    def is_ready() -> bool:
        assert process.poll() is None, f"{module} ended with {process.returncode}: {log.read_text()[-3000:]}"
        try:
            return httpx.get(ready, timeout=2, trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    try:
        until(is_ready, f"{module} is ready (log: {log})", seconds)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
