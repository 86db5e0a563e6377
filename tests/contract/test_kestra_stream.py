"""Following an execution at the sandbox's Kestra: frames come as they happen, in Kestra's form."""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.support import kestra_flows
from tests.support.kestra import RunningEngine

pytestmark = pytest.mark.engine

EXECUTIONS = "/api/v1/main/executions"
Frame = tuple[str, dict[str, Any]]


@pytest.fixture(scope="module", autouse=True)
def _flows(kestra: RunningEngine) -> None:
    kestra.save_flow(kestra_flows.APPROVAL)
    kestra.save_flow(kestra_flows.plain("plain"))


def start(kestra: RunningEngine, flow: str = "approval") -> str:
    answer = kestra.anonymous.post(f"{EXECUTIONS}/webhook/tests.kestra/{flow}/the-key", json={"name": "Ada"})
    return str(answer.json()["id"])


def frames(answer: httpx.Response) -> Iterator[Frame]:
    """The frames as they arrive; a line that is none of Kestra's fails the test."""
    frame_id = None
    for line in answer.iter_lines():
        if line.startswith("id: "):
            frame_id = line.removeprefix("id: ")
        elif line.startswith("data: "):
            assert frame_id is not None
            yield frame_id, json.loads(line.removeprefix("data: "))
        else:
            assert line == ""


def state(frame: Frame) -> str:
    return str(frame[1]["state"]["current"])


def test_a_pause_is_pushed_and_the_stream_goes_on_after_it(kestra: RunningEngine) -> None:
    execution = start(kestra)
    with kestra.http.stream("GET", f"{EXECUTIONS}/{execution}/follow") as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        arriving = frames(answer)
        assert next(arriving)[0] == "start"
        paused = next(frame for frame in arriving if state(frame) == "PAUSED")
        assert paused[0] == "progress"
        resumed_at = time.monotonic()
        kestra.http.post(
            f"{EXECUTIONS}/{execution}/actions/resume", files={"decision": (None, "approve")}
        ).raise_for_status()
        rest = list(arriving)
    assert time.monotonic() - resumed_at < 10
    assert [frame_id for frame_id, _ in rest].count("end") == 1
    assert (rest[-1][0], state(rest[-1])) == ("end", "SUCCESS")
    assert rest[-1][1]["taskRunList"][-1]["taskId"] == "said"


def test_many_followers_of_one_execution_see_its_end(kestra: RunningEngine) -> None:
    execution = start(kestra)
    kestra.wait_for(execution, "PAUSED")

    def follow() -> list[str]:
        with kestra.http.stream("GET", f"{EXECUTIONS}/{execution}/follow") as answer:
            arriving = frames(answer)
            first = [next(arriving), next(arriving)]
            waiting.wait(20)
            return [frame_id for frame_id, _ in [*first, *arriving]]

    waiting = threading.Barrier(11)
    with ThreadPoolExecutor(10) as pool:
        followers = [pool.submit(follow) for _ in range(10)]
        waiting.wait(20)
        kestra.http.post(
            f"{EXECUTIONS}/{execution}/actions/resume", files={"decision": (None, "reject")}
        ).raise_for_status()
        for follower in followers:
            assert follower.result(20)[-1] == "end"


def test_start_and_end_frame_an_execution(kestra: RunningEngine) -> None:
    execution = start(kestra, "plain")
    with kestra.http.stream("GET", f"{EXECUTIONS}/{execution}/follow") as answer:
        seen = list(frames(answer))
    assert [frame_id for frame_id, _ in seen[:1] + seen[-1:]] == ["start", "end"]
    assert all(frame_id == "progress" for frame_id, _ in seen[1:-1])
    assert state(seen[-1]) == "SUCCESS"
    assert seen[0][1] == {"id": execution, "labels": [], "originalId": execution} | {
        name: seen[0][1][name] for name in ("deleted", "metadata")
    }


def test_what_has_ended_is_start_and_end(kestra: RunningEngine) -> None:
    execution = start(kestra, "plain")
    kestra.wait_for(execution, "SUCCESS")
    with kestra.http.stream("GET", f"{EXECUTIONS}/{execution}/follow") as answer:
        assert [frame_id for frame_id, _ in frames(answer)] == ["start", "end"]


def test_an_unknown_execution_is_a_start_and_no_more(kestra: RunningEngine) -> None:
    begun = time.monotonic()
    with kestra.http.stream("GET", f"{EXECUTIONS}/absent/follow") as answer:
        assert answer.status_code == 200
        assert [frame_id for frame_id, _ in frames(answer)] == ["start"]
    assert 9 < time.monotonic() - begun < 15


def test_a_stream_needs_the_password(kestra: RunningEngine) -> None:
    assert kestra.anonymous.get(f"{EXECUTIONS}/absent/follow").status_code == 401
