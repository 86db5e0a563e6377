"""Following the log of an execution at the sandbox's Kestra: each line once, as it is written."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.support import kestra_flows
from tests.support.kestra import RunningEngine

pytestmark = pytest.mark.engine

API = "/api/v1/main"
LEVEL = "filters[level][GREATER_THAN_OR_EQUAL_TO]"
TALKS = 'import time\nfor n in range({}):\n    print(f"line {{n}}", flush=True)\n    time.sleep(0.05)'
ALL = [f"line {n}" for n in range(20)]
# It has said everything and stays, so that whoever has read it all has read of a run that goes on.
STAYS = TALKS.format(4) + "\ntime.sleep(600)"


@pytest.fixture(scope="module", autouse=True)
def _flows(kestra: RunningEngine) -> None:
    kestra.save_flow(kestra_flows.script("talks", TALKS.format(20)))
    kestra.save_flow(kestra_flows.script("stays", STAYS))
    kestra.save_flow(kestra_flows.APPROVAL)


def start(kestra: RunningEngine, flow: str) -> str:
    answer = kestra.anonymous.post(
        f"{API}/executions/webhook/tests.kestra/{flow}/the-key", json={"name": "Ada"}
    )
    return str(answer.json()["id"])


def follow(kestra: RunningEngine, execution: str, *until: str, **params: str) -> list[dict[str, Any]]:
    """The lines of a log as they come, until all of `until` have been said."""
    seen: list[dict[str, Any]] = []
    with kestra.http.stream("GET", f"{API}/logs/{execution}/follow", params=params) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        for kind, data in frames(answer):
            if kind == "start":
                assert (seen, data) == ([], {})
                continue
            assert kind == "progress"
            seen.append(data)
            if set(until) <= {line["message"] for line in seen}:
                break
    return seen


def frames(answer: httpx.Response) -> Iterator[tuple[str, dict[str, Any]]]:
    lines = (line for line in answer.iter_lines() if line)
    for line in lines:
        yield line.removeprefix("id: "), json.loads(next(lines).removeprefix("data: "))


def spoken(lines: list[dict[str, Any]]) -> list[str]:
    return [line["message"] for line in lines if line["message"].startswith("line ")]


def in_order(lines: list[dict[str, Any]]) -> list[str]:
    """A line that was on its way to the database when a reader came is given a little late."""
    return spoken(sorted(lines, key=lambda line: str(line["timestamp"])))


def test_lines_come_while_the_script_still_runs(kestra: RunningEngine) -> None:
    execution = start(kestra, "stays")
    try:
        seen = follow(kestra, execution, *ALL[:4])
        kestra.wait_for(execution, "RUNNING")
    finally:
        kestra.http.delete(f"{API}/executions/{execution}/actions/kill").raise_for_status()
    assert in_order(seen) == ALL[:4]
    kestra.wait_for(execution, "KILLED")
    assert {"tenantId", "namespace", "flowId", "taskId", "executionId", "taskRunId", "level"} <= seen[
        0
    ].keys()


def test_readers_who_come_early_late_and_again_see_every_line_once(kestra: RunningEngine) -> None:
    execution = start(kestra, "talks")

    def read(pause: float) -> list[str]:
        time.sleep(pause)
        return in_order(follow(kestra, execution, *ALL))

    with ThreadPoolExecutor(6) as pool:
        readers = [pool.submit(read, n * 0.3) for n in range(6)]
    for reader in readers:
        assert reader.result() == ALL
    kestra.wait_for(execution, "SUCCESS")
    assert in_order(follow(kestra, execution, *ALL)) == ALL


def test_a_level_and_a_task_narrow_what_is_stored_and_what_is_announced(kestra: RunningEngine) -> None:
    execution = start(kestra, "approval")
    hello = follow(kestra, execution, "hello Ada", **{LEVEL: "INFO", "filters[taskId][EQUALS]": "hello"})
    assert [line["message"] for line in hello] == ["hello Ada"]
    kestra.wait_for(execution, "PAUSED")
    with ThreadPoolExecutor(1) as pool:
        said = pool.submit(follow, kestra, execution, "approve: yes", **{"filters[taskId][EQUALS]": "said"})
        fields = {"decision": (None, "approve"), "reason": (None, "yes")}
        kestra.http.post(f"{API}/executions/{execution}/actions/resume", files=fields).raise_for_status()
    assert [line["taskId"] for line in said.result()] == ["said"]


def test_another_level_or_filter_is_refused(kestra: RunningEngine) -> None:
    path = f"{API}/logs/absent/follow"
    assert kestra.http.get(path, params={LEVEL: "LOUD"}).status_code == 422
    assert kestra.http.get(path, params={"filters[q][EQUALS]": "x"}).status_code == 501
    assert kestra.anonymous.get(path).status_code == 401


def test_a_log_nobody_writes_stays_open_and_readers_who_leave_hold_up_nobody(kestra: RunningEngine) -> None:
    for _ in range(5):
        with (
            pytest.raises(httpx.ReadTimeout),
            kestra.http.stream("GET", f"{API}/logs/absent/follow", timeout=0.3) as answer,
        ):
            list(frames(answer))
        begun = time.monotonic()
        assert kestra.anonymous.get("/ping").status_code == 200
        assert time.monotonic() - begun < 1
