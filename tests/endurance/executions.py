"""Executions in a row on one engine: what each costs, and what of it stays."""

import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.support import kestra_flows
from tests.support.kestra import RunningEngine, start_engine

_EVERY = 50
_AT_ONCE = 2
_KEEP = 50
_RUN_SECONDS = 300
# Growth between the first look at a warm engine and the last one.
_MOST_MEMORY_GROWTH = 1.25
_MOST_DISK_GROWTH_MB = 60
_MOST_NEW_THREADS = 20
_MOST_NEW_FILES = 30

_FLOW = """\
id: endures
namespace: tests.kestra
inputs:
  - id: payload
    type: JSON
triggers:
  - id: webhook
    type: io.kestra.plugin.core.trigger.Webhook
    key: the-key
    inputs:
      payload: "{{ trigger.body }}"
tasks:
  - id: read
    type: io.kestra.plugin.scripts.python.Script
    taskRunner:
      type: io.kestra.plugin.core.runner.Process
    inputFiles:
      data.json: "{{ inputs.payload | toJson }}"
    script: |
      import json
      data = json.load(open("data.json"))
      print("::" + json.dumps({"outputs": {"lines": len(data["logs"])}}) + "::")
  - id: decide
    type: io.kestra.plugin.core.flow.Pause
    onResume:
      - id: decision
        type: STRING
  - id: said
    type: io.kestra.plugin.core.debug.Return
    format: "{{ outputs.decide.onResume.decision }}"
"""


@dataclass(frozen=True)
class Look:
    """What the engine's process holds after `count` executions; sizes in MB."""

    count: int
    memory: float
    disk: float
    threads: int
    files: int
    median_seconds: float

    def line(self) -> str:
        return (
            f"  {self.count:>5} executions  {self.memory:6.0f} MB memory  {self.disk:6.1f} MB disk"
            f"  {self.threads:>4} threads  {self.files:>4} files  {self.median_seconds:5.2f} s each\n"
        )


def run(folder: Path, runs: int) -> list[str]:
    """Starts an engine below `folder` and lets it work; the problems found."""
    kestra = start_engine(
        folder, None, None, "--keep", str(_KEEP), "--purge-seconds", "5", "--purge-age-seconds", "0"
    )
    sys.stdout.write(
        f"Engine ready after {kestra.start_seconds:.1f} s; {runs} executions, {_AT_ONCE} at once\n"
    )
    try:
        kestra.save_flow(_FLOW)
        kestra.save_flow(kestra_flows.APPROVAL)
        waiting = _start(kestra, "approval", {"name": "Ada"})
        kestra.wait_for(waiting, "PAUSED", seconds=_RUN_SECONDS)
        looks = [_batch(kestra, folder, runs, number) for number in range(0, runs, _EVERY)]
        problems = _growth(looks)
        if kestra.execution(waiting)["state"]["current"] != "PAUSED":
            problems.append("what waited all the time is not paused any more")
        return problems
    finally:
        kestra.stop()


def _batch(kestra: RunningEngine, folder: Path, runs: int, number: int) -> Look:
    count = min(_EVERY, runs - number)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        seconds = list(pool.map(lambda _: _one(kestra), range(count)))
    process = psutil.Process(kestra.process.pid)
    look = Look(
        count=number + count,
        memory=process.memory_info().rss / 1e6,
        disk=sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6,
        threads=process.num_threads(),
        files=process.num_fds(),
        median_seconds=statistics.median(seconds),
    )
    sys.stdout.write(look.line())
    sys.stdout.flush()
    return look


def _one(kestra: RunningEngine) -> float:
    """One execution from webhook to SUCCESS with a payload of 16 KB; the seconds it took."""
    begun = time.monotonic()
    payload = {"name": "Ada", "logs": [f"ERROR line {n} " + "x" * 60 for n in range(200)]}
    execution = _start(kestra, "endures", payload)
    kestra.wait_for(execution, "PAUSED", seconds=_RUN_SECONDS)
    path = f"/api/v1/main/executions/{execution}/actions/resume"
    kestra.http.post(path, files={"decision": (None, "approve")}).raise_for_status()
    kestra.wait_for(execution, "SUCCESS", seconds=_RUN_SECONDS)
    return time.monotonic() - begun


def _start(kestra: RunningEngine, flow: str, payload: dict[str, Any]) -> str:
    path = f"/api/v1/main/executions/webhook/tests.kestra/{flow}/the-key"
    answer = kestra.anonymous.post(path, json=payload)
    answer.raise_for_status()
    return str(answer.json()["id"])


def _growth(looks: list[Look]) -> list[str]:
    """What has grown beyond its bound since the engine was warm (the second look)."""
    warm, last = looks[min(1, len(looks) - 1)], looks[-1]
    problems = []
    if last.memory > warm.memory * _MOST_MEMORY_GROWTH:
        problems.append(f"memory grew from {warm.memory:.0f} to {last.memory:.0f} MB")
    if last.disk > warm.disk + _MOST_DISK_GROWTH_MB:
        problems.append(f"disk grew from {warm.disk:.0f} to {last.disk:.0f} MB")
    if last.threads > warm.threads + _MOST_NEW_THREADS:
        problems.append(f"threads grew from {warm.threads} to {last.threads}")
    if last.files > warm.files + _MOST_NEW_FILES:
        problems.append(f"open files grew from {warm.files} to {last.files}")
    return problems
