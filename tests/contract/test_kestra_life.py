"""Starting, stopping and starting again: what the sandbox's Kestra keeps, and what it never opens."""

import os
import signal
import socket
import stat
import time
from pathlib import Path

import httpx
import pytest

from tests.support import kestra_flows
from tests.support.kestra import RunningEngine, launch, start_engine
from tests.support.postgres import free_port
from tests.support.until import until

pytestmark = pytest.mark.engine

API = "/api/v1/main"
# Measured on two free cores: 6 s. On a machine that is busy a start without a kill is the measure.
RECOVERY_SECONDS = 90
STARTS_AT_MOST = 3


def paused_execution(kestra: RunningEngine) -> str:
    kestra.save_flow(kestra_flows.APPROVAL)
    answer = kestra.anonymous.post(
        f"{API}/executions/webhook/tests.kestra/approval/the-key", json={"name": "Ada"}
    )
    execution = str(answer.json()["id"])
    kestra.wait_for(execution, "PAUSED")
    return execution


def test_a_paused_execution_outlives_a_stop_and_a_crash(tmp_path: Path) -> None:
    kestra = start_engine(tmp_path / "data")
    uuid = kestra.anonymous.get("/api/v1/configs").json()["uuid"]
    kestra.http.put(
        f"{API}/namespaces/tests.kestra/kv/KEPT", content='"x"', headers={"Content-Type": "text/plain"}
    ).raise_for_status()
    first = paused_execution(kestra)
    stranger = httpx.Client(base_url=kestra.url, auth=(kestra.username, kestra.password), trust_env=False)
    with stranger, stranger.stream("GET", f"{API}/executions/{first}/follow") as following:
        lines = following.iter_lines()
        assert next(lines) == "id: start"
        assert kestra.stop() < 3
        assert "id: end" not in list(lines)  # the stream was closed in order, but not as if the run had ended
    assert kestra.process.returncode == 0

    kestra = start_engine(tmp_path / "data", kestra.port, kestra.password)
    ordinary = kestra.start_seconds
    second = paused_execution(kestra)
    time.sleep(1)  # the database writes what is committed within half a second
    kestra.stop(signal.SIGKILL)

    # The kill costs little more than a start: what was under way is taken up at once.
    purging = ("--keep", "1", "--purge-seconds", "0.5", "--purge-age-seconds", "0")
    kestra = start_engine(tmp_path / "data", kestra.port, kestra.password, *purging)
    try:
        assert kestra.start_seconds < max(RECOVERY_SECONDS, STARTS_AT_MOST * ordinary)
        assert kestra.anonymous.get("/api/v1/configs").json()["uuid"] == uuid
        assert kestra.http.get(f"{API}/namespaces/tests.kestra/kv/KEPT").json()["value"] == "x"
        for execution in (first, second):
            kestra.http.post(
                f"{API}/executions/{execution}/actions/resume", files={"decision": (None, "approve")}
            ).raise_for_status()
            kestra.wait_for(execution, "SUCCESS")
        # Of what has ended about one stays; what waits stays whatever its age.
        waiting = paused_execution(kestra)
        for _ in range(3):
            ended = plain_execution(kestra)
        until(lambda: len(stored(kestra)) <= 3, "old executions are purged")  # with one that is nearly old
        assert {waiting, ended} <= stored(kestra)
        assert first not in stored(kestra)
        assert kestra.http.get(f"{API}/logs/{first}").json() == []
        assert kestra.execution(waiting)["state"]["current"] == "PAUSED"
    finally:
        assert kestra.stop(signal.SIGINT) < 3


def plain_execution(kestra: RunningEngine) -> str:
    """The id of an execution that has ended."""
    kestra.save_flow(kestra_flows.plain("plain"))
    answer = kestra.anonymous.post(f"{API}/executions/webhook/tests.kestra/plain/the-key", json={})
    execution = str(answer.json()["id"])
    until(lambda: ended_or_gone(kestra, execution), f"{execution} has ended")
    return execution


def ended_or_gone(kestra: RunningEngine, execution: str) -> bool:
    answer = kestra.http.get(f"{API}/executions/{execution}")
    return answer.status_code == 404 or answer.json()["state"]["current"] == "SUCCESS"


def stored(kestra: RunningEngine) -> set[str]:
    """The ids of all executions the engine has."""
    page = kestra.http.get(f"{API}/executions/search", params={"size": "100"}).json()
    return {each["id"] for each in page["results"]}


def test_nothing_listens_but_on_loopback(kestra: RunningEngine) -> None:
    listening = listening_addresses(kestra.process.pid)
    assert ("127.0.0.1", kestra.port) in listening
    assert {host for host, _ in listening} == {"127.0.0.1"}
    assert len(listening) == 2  # the door and the way from the worker to its controller


def listening_addresses(pid: int) -> set[tuple[str, int]]:
    """What a process listens on, from /proc; an IPv4 address in IPv6 form counts as itself."""
    sockets = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        target = os.readlink(descriptor)
        if target.startswith("socket:["):
            sockets.add(target[8:-1])
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            local, state, inode = (line.split()[n] for n in (1, 3, 9))
            if state == "0A" and inode in sockets:
                address, port = local.split(":")
                words = bytes.fromhex(address)
                packed = b"".join(words[n : n + 4][::-1] for n in range(0, len(words), 4))
                family = socket.AF_INET if len(packed) == 4 else socket.AF_INET6
                host = socket.inet_ntop(family, packed).removeprefix("::ffff:")
                found.add((host, int(port, 16)))
    return found


def test_its_files_are_its_owners_alone(kestra: RunningEngine) -> None:
    for path in (kestra.data, *kestra.data.rglob("*")):
        assert stat.S_IMODE(path.lstat().st_mode) & 0o077 == 0, path
    assert kestra.password not in (kestra.data / "engine.log").read_text()


def test_a_second_engine_on_the_same_data_is_refused(kestra: RunningEngine, tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = launch(kestra.data, free_port(), "Passw0rd1", log)
    assert process.wait(30) == 1
    assert f"Another Kestra runs on {kestra.data}." in log.read_text()
    assert kestra.anonymous.get("/api/v1/configs").status_code == 200


def test_a_taken_port_is_named_at_once(kestra: RunningEngine, tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = launch(tmp_path / "data", kestra.port, "Passw0rd1", log)
    assert process.wait(15) == 1
    assert f"127.0.0.1:{kestra.port}" in log.read_text()
    assert not (tmp_path / "data").exists()


def test_without_a_password_it_does_not_start(tmp_path: Path) -> None:
    process = launch(tmp_path / "data", free_port(), "", tmp_path / "log")
    assert process.wait(15) == 1
    assert "KESTRA_PASSWORD" in (tmp_path / "log").read_text()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_start_can_be_broken_off_and_made_again(
    kestra: RunningEngine, tmp_path: Path, how: signal.Signals
) -> None:
    log, port = tmp_path / "log", free_port()
    process = launch(tmp_path / "data", port, "Passw0rd1", log)
    database = tmp_path / "data" / "h2" / "kestra.mv.db"
    until(database.exists, "the first start has begun its database", 120, every=0.01)
    process.send_signal(how)
    assert process.wait(3) == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/ping", trust_env=False)
    another = start_engine(tmp_path / "data")
    paused_execution(another)
    # The same address with other data is another Kestra, by which the desk knows that one was wiped.
    uuids = {each.anonymous.get("/api/v1/configs").json()["uuid"] for each in (kestra, another)}
    assert len(uuids) == 2
    another.stop()
