"""Followers against a real HTTP server that gives what Kestras of both lines were recorded to stream."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from pydantic import SecretStr

from dashboard.domain.execution import is_older
from dashboard.errors import UpstreamUnreachable
from dashboard.kestra_api.client import KestraApi
from dashboard.kestra_api.followers import Followers
from dashboard.kestra_api.observation import Snapshot, Source
from dashboard.settings import KestraSettings
from tests.support.kestra_recordings import LINES, executions_in, recording
from tests.support.kestra_stream import StreamingKestra, streaming
from tests.support.until import until

SECONDS = 20.0
FOLLOW = "/api/v1/main/executions/x/follow"


@pytest.fixture(params=LINES)
def line(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def kestra(line: str) -> Iterator[StreamingKestra]:
    with streaming(line) as server:
        yield server


@pytest.fixture
def api(kestra: StreamingKestra) -> Iterator[KestraApi]:
    password = SecretStr("Secret-0815")
    with KestraApi(
        KestraSettings(kestra_url=kestra.url, kestra_username="a@b.c", kestra_password=password)
    ) as api:
        yield api


@pytest.fixture
def followers(api: KestraApi, kestra: StreamingKestra) -> Iterator[Followers]:
    followers = Followers(api)
    yield followers
    kestra.refuse = True
    kestra.hang_up()
    followers.close(timeout_seconds=SECONDS)


def recorded(line: str, name: str) -> list[dict[str, object]]:
    return executions_in(recording(line, name))


def watch(followers: Followers, state: str) -> Snapshot:
    """The snapshot once the execution is in this state."""
    snapshot = followers.watch("x", wait_seconds=SECONDS)
    while not snapshot.execution or snapshot.execution.state != state:
        newer = followers.wait_for_change("x", snapshot.version, SECONDS)
        assert newer.version > snapshot.version, newer
        snapshot = newer
    return snapshot


def test_fifty_viewers_are_one_request_at_kestra(
    kestra: StreamingKestra, followers: Followers, line: str
) -> None:
    frames = recorded(line, "follow-medium-approved")
    kestra.give("progress", frames[0])

    def view(_: int) -> str | None:
        return (execution := watch(followers, "SUCCESS").execution) and execution.id

    with ThreadPoolExecutor(50) as pool:
        viewers = [pool.submit(view, n) for n in range(50)]
        until(lambda: kestra.open == 1, "the stream is open", SECONDS)
        for frame in frames[1:]:
            kestra.give("progress", frame)
        assert {viewer.result(SECONDS) for viewer in viewers} == {frames[0]["id"]}
    assert kestra.requests == {FOLLOW: 1}
    assert [t.name for t in threading.enumerate() if t.name.startswith("follow-")] == ["follow-x"]


def test_versions_only_grow_with_news_and_never_go_back(
    kestra: StreamingKestra, followers: Followers, line: str
) -> None:
    """Every frame is given three times, and after each the first one, as a late one."""
    frames = recorded(line, "follow-medium-approved")
    heard: list[Snapshot] = []
    subscription = followers.subscribe("x", heard.append)
    until(lambda: kestra.open == 1, "the stream is open", SECONDS)
    for frame in frames:
        for again in (frame, frame, frame, frames[0]):
            kestra.give("progress", again)
    watch(followers, "SUCCESS")
    subscription.close()
    seen = [snapshot.execution for snapshot in heard if snapshot.execution]
    assert [snapshot.version for snapshot in heard] == list(range(1, len(heard) + 1))
    assert len(heard) <= len(frames)
    assert all(is_older(a, b) for a, b in pairwise(seen))


def test_a_restart_is_newer_than_the_failure_before_it(
    kestra: StreamingKestra, followers: Followers, line: str
) -> None:
    kestra.give("progress", recorded(line, "follow-failed")[-1])
    failed = watch(followers, "FAILED")
    kestra.give("progress", recording(line, "restart-failed")["response"]["body"])
    restarted = followers.wait_for_change("x", failed.version, SECONDS)
    assert restarted.execution
    assert restarted.execution.state != "FAILED"
    kestra.give("progress", recorded(line, "follow-failed")[-1])
    assert followers.wait_for_change("x", restarted.version, 0.5) == restarted


def test_without_a_stream_it_polls_and_comes_back_to_the_stream(
    kestra: StreamingKestra, followers: Followers, line: str
) -> None:
    frames = recorded(line, "follow-medium-approved")
    kestra.refuse = True
    failed = followers.watch("x", wait_seconds=SECONDS)
    assert isinstance(failed.error, UpstreamUnreachable)
    kestra.polled = frames[1]
    polled = watch(followers, str(frames[1]["state"]["current"]))  # type: ignore[index]
    assert (polled.source, polled.error) == (Source.POLLED, None)
    kestra.refuse = False
    kestra.give("progress", frames[-1])
    assert watch(followers, "SUCCESS").source is Source.STREAMED


def test_the_request_ends_with_the_last_viewer(kestra: StreamingKestra, api: KestraApi, line: str) -> None:
    followers = Followers(api, linger_seconds=0.5)
    frames = recorded(line, "follow-medium-approved")
    kestra.give("progress", frames[0])
    watch(followers, str(frames[0]["state"]["current"]))  # type: ignore[index]
    followers.logs("x")
    until(lambda: kestra.open == 2, "execution and log are followed", SECONDS)

    def nobody_is_left() -> bool:
        kestra.give("progress", frames[0])
        return kestra.open == 0

    until(nobody_is_left, "both streams are closed", SECONDS)
    until(
        lambda: not any(t.name in ("follow-x", "log-x") for t in threading.enumerate()), "no thread is left"
    )
    asked = dict(kestra.requests)
    followers.close()
    assert kestra.requests == asked
