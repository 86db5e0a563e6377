"""One follower per execution: a scripted Kestra, real threads, no sleeping."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from dashboard.domain.execution import Execution, LogLine, StateChange
from dashboard.errors import IncidentScribeError, NotFound, UpstreamUnreachable
from dashboard.kestra_api.client import Frame
from dashboard.kestra_api.follower import Follower
from dashboard.kestra_api.followers import Followers
from dashboard.kestra_api.observation import Snapshot, Source
from tests.support.until import until

START = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
SECONDS = 5.0


def execution(*states: str) -> Execution:
    changes = tuple(StateChange(state=s, at=START + timedelta(seconds=n)) for n, s in enumerate(states))
    return Execution(id="e", namespace="n", flow_id="f", state=states[-1], history=changes)


RUNNING = execution("CREATED", "RUNNING")
PAUSED = execution("CREATED", "RUNNING", "PAUSED")
DONE = execution("CREATED", "RUNNING", "PAUSED", "RESTARTED", "RUNNING", "SUCCESS")


class ScriptedKestra:
    """Streams give what the test puts into `frames`: executions, `CLOSE`, or an error to raise."""

    CLOSE = object()

    def __init__(self) -> None:
        self.frames: queue.Queue[object] = queue.Queue()
        self.polled: Execution | IncidentScribeError = UpstreamUnreachable("Kestra", "down")
        self.streams = 0

    def follow(self, execution_id: str) -> Iterator[Frame]:
        self.streams += 1
        yield Frame("start", None)
        while True:
            item = self.frames.get(timeout=SECONDS)
            if item is self.CLOSE:
                return
            if isinstance(item, IncidentScribeError):
                raise item
            assert isinstance(item, Execution)
            yield Frame("end" if item.is_terminal else "progress", item)

    def get_execution(self, execution_id: str) -> Execution:
        if isinstance(self.polled, IncidentScribeError):
            raise self.polled
        return self.polled

    def follow_logs(self, execution_id: str, *, min_level: str) -> Iterator[LogLine | None]:
        raise NotImplementedError

    def list_logs(self, execution_id: str, *, min_level: str) -> tuple[LogLine, ...]:
        raise NotImplementedError


@pytest.fixture
def kestra() -> ScriptedKestra:
    return ScriptedKestra()


@pytest.fixture
def followers(kestra: ScriptedKestra) -> Iterator[Followers]:
    followers = Followers(kestra, linger_seconds=60)
    yield followers
    kestra.frames.put(ScriptedKestra.CLOSE)
    kestra.polled = NotFound("over")
    followers.close(timeout_seconds=SECONDS)


def after(followers: Followers, version: int) -> Snapshot:
    snapshot = followers.wait_for_change("e", version, SECONDS)
    assert snapshot.version > version
    return snapshot


def test_the_first_look_can_wait_for_the_first_observation(
    followers: Followers, kestra: ScriptedKestra
) -> None:
    kestra.frames.put(RUNNING)
    snapshot = followers.watch("e", wait_seconds=SECONDS)
    assert snapshot.execution == RUNNING
    assert snapshot.source is Source.STREAMED
    assert snapshot.as_of is not None
    assert snapshot.error is None


def test_many_looks_share_one_stream(followers: Followers, kestra: ScriptedKestra) -> None:
    kestra.frames.put(RUNNING)
    followers.watch("e", wait_seconds=SECONDS)
    threads = [threading.Thread(target=followers.watch, args=("e",)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert kestra.streams == 1


def test_repeated_frames_are_one_change(followers: Followers, kestra: ScriptedKestra) -> None:
    for seen in (RUNNING, RUNNING, PAUSED, PAUSED, PAUSED, DONE):
        kestra.frames.put(seen)
    snapshot = followers.watch("e")
    while snapshot.execution != DONE:
        snapshot = after(followers, snapshot.version)
    assert snapshot.version == 3


def test_an_older_frame_is_dropped(followers: Followers, kestra: ScriptedKestra) -> None:
    for seen in (PAUSED, RUNNING, DONE):
        kestra.frames.put(seen)
    snapshot = followers.watch("e", wait_seconds=SECONDS)
    while snapshot.execution != DONE:
        assert snapshot.execution == PAUSED
        snapshot = after(followers, snapshot.version)


def test_a_broken_stream_is_replaced_by_polling_and_says_so(
    followers: Followers, kestra: ScriptedKestra
) -> None:
    kestra.polled = PAUSED
    kestra.frames.put(UpstreamUnreachable("Kestra", "stream refused"))
    snapshot = followers.watch("e", wait_seconds=SECONDS)
    assert snapshot.execution == PAUSED
    assert snapshot.source is Source.POLLED
    kestra.frames.put(DONE)
    assert after(followers, snapshot.version).source is Source.STREAMED


def test_silence_during_a_pause_is_no_error(followers: Followers, kestra: ScriptedKestra) -> None:
    kestra.frames.put(PAUSED)
    first = followers.watch("e", wait_seconds=SECONDS)
    kestra.frames.put(UpstreamUnreachable("Kestra", "silence"))
    kestra.frames.put(PAUSED)
    kestra.frames.put(DONE)
    snapshot = after(followers, first.version)
    assert snapshot.execution == DONE
    assert snapshot.error is None


def test_an_unreachable_kestra_keeps_the_last_observation_with_the_error(
    followers: Followers, kestra: ScriptedKestra
) -> None:
    kestra.frames.put(RUNNING)
    first = followers.watch("e", wait_seconds=SECONDS)
    kestra.frames.put(UpstreamUnreachable("Kestra", "broken off"))
    kestra.frames.put(UpstreamUnreachable("Kestra", "refused"))
    snapshot = after(followers, first.version)
    assert isinstance(snapshot.error, UpstreamUnreachable)
    assert snapshot.execution == RUNNING
    assert snapshot.as_of == first.as_of


def test_an_error_goes_away_with_the_next_observation(followers: Followers, kestra: ScriptedKestra) -> None:
    kestra.frames.put(UpstreamUnreachable("Kestra", "refused"))
    failed = followers.watch("e", wait_seconds=SECONDS)
    assert failed.error is not None
    kestra.frames.put(RUNNING)
    assert after(followers, failed.version).error is None


def test_an_unknown_execution_is_an_error_to_show(followers: Followers, kestra: ScriptedKestra) -> None:
    kestra.polled = NotFound("no such execution")
    kestra.frames.put(ScriptedKestra.CLOSE)
    snapshot = followers.watch("e", wait_seconds=SECONDS)
    assert isinstance(snapshot.error, NotFound)
    assert snapshot.execution is None


def test_listeners_hear_every_change_until_they_close(followers: Followers, kestra: ScriptedKestra) -> None:
    heard: queue.Queue[Snapshot] = queue.Queue()
    subscription = followers.subscribe("e", heard.put)
    kestra.frames.put(RUNNING)
    assert heard.get(timeout=SECONDS).execution == RUNNING
    subscription.close()
    kestra.frames.put(PAUSED)
    after(followers, 1)
    assert heard.empty()


def test_a_listener_that_fails_does_not_stop_the_others(
    followers: Followers, kestra: ScriptedKestra, caplog: pytest.LogCaptureFixture
) -> None:
    heard: queue.Queue[Snapshot] = queue.Queue()

    def fail(_: Snapshot) -> None:
        raise RuntimeError("drawing failed")

    followers.subscribe("e", fail)
    followers.subscribe("e", heard.put)
    kestra.frames.put(RUNNING)
    assert heard.get(timeout=SECONDS).execution == RUNNING
    assert "a listener of follow-e failed" in caplog.text


def test_without_looks_the_follower_ends_and_the_next_look_begins_anew(kestra: ScriptedKestra) -> None:
    followers = Followers(kestra, linger_seconds=0.3)
    kestra.frames.put(RUNNING)
    followers.watch("e", wait_seconds=SECONDS)
    (thread,) = [t for t in threading.enumerate() if t.name == "follow-e"]
    while thread.is_alive():
        kestra.frames.put(RUNNING)
        thread.join(0.05)
    kestra.frames.put(RUNNING)
    snapshot = followers.watch("e", wait_seconds=SECONDS)
    assert snapshot.version == 1
    assert snapshot.execution == RUNNING
    kestra.frames.put(ScriptedKestra.CLOSE)
    followers.close(timeout_seconds=SECONDS)


def test_one_that_finds_no_thread_is_made_anew_at_the_next_look(
    followers: Followers, kestra: ScriptedKestra, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_thread(self: Follower) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as full:
        full.setattr(Follower, "start", no_thread)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            followers.watch("e")
    assert followers.count() == 0
    kestra.frames.put(RUNNING)
    assert followers.watch("e", wait_seconds=SECONDS).execution == RUNNING


def test_a_stream_that_is_closed_at_once_is_opened_again_with_pauses(
    followers: Followers, kestra: ScriptedKestra
) -> None:
    for _ in range(50):
        kestra.frames.put(RUNNING)
        kestra.frames.put(ScriptedKestra.CLOSE)
    followers.watch("e", wait_seconds=SECONDS)
    time.sleep(1)
    assert kestra.streams <= 3


def test_there_are_never_more_followers_than_allowed(kestra: ScriptedKestra) -> None:
    followers = Followers(kestra, linger_seconds=60, most=3)
    for number in range(10):
        followers.watch(f"many-{number}")
    ended = {f"follow-many-{number}" for number in range(7)}
    for _ in range(20):
        kestra.frames.put(ScriptedKestra.CLOSE)

    def alive() -> set[str]:
        return {thread.name for thread in threading.enumerate() if thread.name.startswith("follow-many-")}

    until(lambda: not (alive() & ended), "the oldest have ended", SECONDS)
    assert len(alive()) <= 3
    for _ in range(20):
        kestra.frames.put(ScriptedKestra.CLOSE)
    followers.close(timeout_seconds=SECONDS)
