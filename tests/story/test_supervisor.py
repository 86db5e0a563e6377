"""What the supervisor promises: parts come back, ports are named, one sandbox a folder, nothing is left."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support.sandbox import ROOT, RunningSandbox
from tests.support.until import until

pytestmark = pytest.mark.engine


def start(data: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """The command of `make demo`, for what ends by itself."""
    command = [sys.executable, "-m", "sandbox", "--data", str(data), "--no-browser", *arguments]
    return subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=60)


def test_a_part_that_dies_is_started_again_and_keeps_what_it_knew(sandbox: RunningSandbox) -> None:
    before = sandbox.restarts()
    (pid,) = [pid for pid in sandbox.processes() if "sandbox.service" in command_line(pid)]
    os.kill(pid, signal.SIGKILL)

    def is_back() -> bool:
        try:
            return httpx.get(f"{sandbox.urls['service']}/health", timeout=2).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    until(lambda: not Path(f"/proc/{pid}").exists() and is_back(), "the service is back")
    assert sandbox.restarts() == before
    assert "Demo service ended with exit code -9" in sandbox.log.read_text()


def command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")


def test_the_endpoints_file_is_private_and_names_everything(sandbox: RunningSandbox) -> None:
    file = sandbox.folder / "endpoints.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert set(json.loads(file.read_text())) == {
        "desk",
        "kestra",
        "supabase",
        "postgres",
        "model",
        "service",
        "accounts",
        "pid",
    }


def test_keys_stay_in_their_file(sandbox: RunningSandbox) -> None:
    keys = json.loads((sandbox.folder / "keys.json").read_text())
    assert (sandbox.folder / "keys.json").stat().st_mode & 0o777 == 0o600
    for pid in sandbox.processes():
        for name, key in keys.items():
            assert key not in command_line(pid), f"{name} is on the command line of {command_line(pid)}"
    for log in (sandbox.folder / "logs").iterdir():
        text = log.read_text(errors="replace")
        assert not [name for name, key in keys.items() if key in text], f"a key is in {log.name}"


def test_everything_listens_on_this_machine_only(sandbox: RunningSandbox) -> None:
    listening = [
        connection.laddr.ip
        for pid in sandbox.processes()
        for connection in psutil.Process(pid).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 6
    assert {address.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}


def test_a_second_sandbox_in_the_same_folder_is_refused(sandbox: RunningSandbox) -> None:
    second = start(sandbox.folder, "--free-ports")
    assert second.returncode == 1
    assert "A sandbox is running in" in second.stderr


def test_a_taken_port_is_named_and_nothing_is_started(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        refused = start(tmp_path / "data", "--desk-port", str(port))
    assert refused.returncode == 1
    assert f"Port {port}, which the desk needs, is taken" in " ".join(refused.stderr.split())
    assert not (tmp_path / "data" / "postgres").exists()
