"""`make bench-engine`: the sandbox's engine by itself and through our client, in one run.

- webhook to PAUSED and resume to SUCCESS, each seen by a bare HTTP client that reads Kestra's stream, and by
  a follower's listener: the ratio is what client and follower cost.
- an event of the engine until the callback of a follower, against a bare reader of the same stream.
- how soon the engine answers after a kill -9, and how soon a run that waited at that moment has gone on.
- start times of the engine and, with `--sandbox`, of everything; memory.

Two clients watch the same executions, so both feel the same engine. Medians of `--runs`, in ms.
"""

import json
import signal
import statistics
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import psutil
import typer
from pydantic import SecretStr

from dashboard.kestra_api.client import KestraApi
from dashboard.kestra_api.followers import Followers
from dashboard.kestra_api.observation import Snapshot
from dashboard.settings import KestraSettings
from tests.support import kestra_flows
from tests.support.kestra import RunningEngine, start_engine
from tests.support.sandbox import RunningSandbox

_SECONDS = 60.0


@dataclass
class Seen:
    """When each state of one execution was first seen, on the monotonic clock."""

    at: dict[str, float] = field(default_factory=dict)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def note(self, state: str) -> None:
        now = time.monotonic()
        with self._changed:
            self.at.setdefault(state, now)
            self._changed.notify_all()

    def wait(self, state: str) -> float:
        with self._changed:
            if not self._changed.wait_for(lambda: state in self.at, _SECONDS):
                raise TimeoutError(f"{state} was not seen within {_SECONDS:.0f} s, only {list(self.at)}")
            return self.at[state]


class Watchers:
    """A bare reader of the stream and a follower of ours, on the same execution."""

    def __init__(self, kestra: RunningEngine, followers: Followers, execution: str) -> None:
        self.bare, self.ours = Seen(), Seen()
        self._subscription = followers.subscribe(execution, self._note)
        threading.Thread(target=self._read, args=(kestra, execution), daemon=True).start()

    def _note(self, snapshot: Snapshot) -> None:
        if snapshot.execution:
            self.ours.note(snapshot.execution.state)

    def _read(self, kestra: RunningEngine, execution: str) -> None:
        path = f"/api/v1/main/executions/{execution}/follow"
        with kestra.http.stream("GET", path, timeout=_SECONDS) as answer:
            for line in answer.iter_lines():
                if line.startswith("data: "):
                    state = json.loads(line.removeprefix("data: ")).get("state")
                    if state:
                        self.bare.note(state["current"])

    def both(self, state: str) -> tuple[float, float]:
        return self.bare.wait(state), self.ours.wait(state)

    def close(self) -> None:
        self._subscription.close()


def main(
    runs: Annotated[int, typer.Option(help="Executions that are measured.")] = 30,
    sandbox: Annotated[bool, typer.Option(help="Also a first and a second start of everything.")] = True,
) -> None:
    """Prints the tables of docs/benchmarks.md."""
    with tempfile.TemporaryDirectory(prefix="bench-engine-") as folder:
        _engine(Path(folder, "engine"), runs)
        if sandbox:
            _everything(Path(folder, "sandbox"))


def _engine(folder: Path, runs: int) -> None:
    start_engine(folder).stop()  # what only a first start does is not measured
    answers, gone_on = _killed(folder)
    kestra = start_engine(folder)
    settings = KestraSettings(
        kestra_url=kestra.url, kestra_username=kestra.username, kestra_password=SecretStr(kestra.password)
    )
    try:
        kestra.save_flow(kestra_flows.APPROVAL)
        with KestraApi(settings) as api:
            followers = Followers(api)
            for _ in range(3):
                _one(kestra, api, followers)
            measured = [_one(kestra, api, followers) for _ in range(runs)]
            followers.close()
        memory = psutil.Process(kestra.process.pid).memory_info().rss / 1e6
        idle = _idle(kestra)
    finally:
        kestra.stop()
    print(f"\nMedian of {runs}, load {psutil.getloadavg()[0]:.1f}\n")
    print("| | bare client | our client | ratio |\n|---|---|---|---|")
    for name in measured[0]:
        bare, ours = (statistics.median(each[name][n] for each in measured) * 1000 for n in (0, 1))
        print(f"| {name} | {bare:.0f} ms | {ours:.0f} ms | {ours / bare:.2f} |")
    late = [ours - bare for each in measured for bare, ours in each.values()]
    print(f"\nEngine event to the follower's callback, beyond the bare reader: {_spread(late)}")
    print(
        f"Engine: second start {kestra.start_seconds:.1f} s, {memory:.0f} MB, idle {idle:.0f} % of one core"
    )
    print(f"After a kill -9: it answers after {answers:.1f} s, a waiting run has ended after {gone_on:.1f} s")


def _killed(folder: Path) -> tuple[float, float]:
    """Seconds from a kill and a start at once until it answers, and until a run that waited has ended."""
    kestra = start_engine(folder)
    kestra.save_flow(kestra_flows.APPROVAL)
    begun = kestra.anonymous.post(
        "/api/v1/main/executions/webhook/tests.kestra/approval/the-key", json={"name": "Ada"}
    )
    execution = str(begun.json()["id"])
    kestra.wait_for(execution, "PAUSED")
    time.sleep(1)  # the database writes what is committed within half a second
    killed = time.monotonic()
    kestra.stop(signal.SIGKILL)
    kestra = start_engine(folder, kestra.port, kestra.password)
    answers = time.monotonic()
    try:
        kestra.http.post(
            f"/api/v1/main/executions/{execution}/actions/resume", files={"decision": (None, "approve")}
        ).raise_for_status()
        kestra.wait_for(execution, "SUCCESS")
        return answers - killed, time.monotonic() - killed
    finally:
        kestra.stop()


def _one(kestra: RunningEngine, api: KestraApi, followers: Followers) -> dict[str, tuple[float, float]]:
    """The seconds of each part of one execution, as the bare client and as ours saw them."""
    begun = time.monotonic()
    execution = api.start_by_webhook("tests.kestra", "approval", "the-key", {"name": "Ada"})
    watchers = Watchers(kestra, followers, execution)
    paused = watchers.both("PAUSED")
    resumed = time.monotonic()
    api.resume(execution, {"decision": "approve"})
    ended = watchers.both("SUCCESS")
    watchers.close()
    return {
        "webhook to PAUSED": (paused[0] - begun, paused[1] - begun),
        "resume to SUCCESS": (ended[0] - resumed, ended[1] - resumed),
    }


def _idle(kestra: RunningEngine, rest: float = 20.0, seconds: float = 20.0) -> float:
    """The share of a core that it takes once it has come to rest: it looks less often by and by."""
    process = psutil.Process(kestra.process.pid)
    time.sleep(rest)
    process.cpu_percent()
    time.sleep(seconds)
    return float(process.cpu_percent())


def _spread(seconds: list[float]) -> str:
    ordered = sorted(each * 1000 for each in seconds)
    return (
        f"median {statistics.median(ordered):.1f} ms, 95 % within {ordered[int(len(ordered) * 0.95)]:.1f} ms"
    )


def _everything(folder: Path) -> None:
    for name in ("first", "second"):
        begun = time.monotonic()
        running = RunningSandbox(folder, seconds=900)
        seconds = time.monotonic() - begun
        memory = sum(_memory(pid) for pid in running.processes()) / 1e6
        running.stop(60)
        print(f"Everything: {name} start {seconds:.1f} s, {memory:.0f} MB")


def _memory(pid: int) -> float:
    try:
        return float(psutil.Process(pid).memory_info().rss)
    except psutil.NoSuchProcess:
        return 0.0


if __name__ == "__main__":
    typer.run(main)
