"""The log of an execution as its viewers share it: a scripted Kestra, real threads."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.domain.execution import Execution, LogLine
from dashboard.errors import IncidentScribeError, NotFound, UpstreamUnreachable
from dashboard.kestra_api import log_book
from dashboard.kestra_api.client import Frame
from dashboard.kestra_api.followers import Followers
from dashboard.kestra_api.log_book import LogBook
from dashboard.kestra_api.observation import LogSnapshot, Source

START = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
SECONDS = 5.0


def line(n: int, message: str = "", **more: Any) -> LogLine:
    return LogLine(at=START + timedelta(microseconds=n), message=message or f"line {n}", **more)


class ScriptedLog:
    """A stream gives the stored lines and then what the test puts into `items`, `CLOSE` and errors too."""

    CLOSE = object()

    def __init__(self) -> None:
        self.items: queue.Queue[object] = queue.Queue()
        self.stored: list[LogLine] = []
        self.stream_error: IncidentScribeError | None = None
        self.list_error: IncidentScribeError | None = None
        self.streams = 0
        self.levels: set[str] = set()

    def follow_logs(self, execution_id: str, *, min_level: str) -> Iterator[LogLine | None]:
        self.streams += 1
        self.levels.add(min_level)
        if self.stream_error:
            raise self.stream_error
        yield None
        yield from list(self.stored)
        while (item := self.items.get(timeout=SECONDS)) is not self.CLOSE:
            if isinstance(item, IncidentScribeError):
                raise item
            assert isinstance(item, LogLine)
            yield item

    def list_logs(self, execution_id: str, *, min_level: str) -> tuple[LogLine, ...]:
        self.levels.add(min_level)
        if self.list_error:
            raise self.list_error
        return tuple(self.stored)

    def follow(self, execution_id: str) -> Iterator[Frame]:
        raise NotImplementedError

    def get_execution(self, execution_id: str) -> Execution:
        raise NotImplementedError


@pytest.fixture
def kestra() -> ScriptedLog:
    return ScriptedLog()


@pytest.fixture
def followers(kestra: ScriptedLog) -> Iterator[Followers]:
    followers = Followers(kestra, linger_seconds=60)
    yield followers
    kestra.stream_error = kestra.list_error = NotFound("over")
    kestra.items.put(ScriptedLog.CLOSE)
    followers.close(timeout_seconds=SECONDS)


def log_with(followers: Followers, count: int) -> LogSnapshot:
    """The log once it has so many lines."""
    snapshot = followers.logs("e", wait_seconds=SECONDS)
    while len(snapshot.lines) < count:
        newer = followers.wait_for_log("e", snapshot.version, SECONDS)
        assert newer.version > snapshot.version
        snapshot = newer
    return snapshot


def test_the_first_look_has_all_lines_so_far_and_later_ones_are_streamed(
    followers: Followers, kestra: ScriptedLog
) -> None:
    kestra.stored = [line(1), line(2)]
    assert followers.logs("e", wait_seconds=SECONDS).lines == (line(1), line(2))
    kestra.items.put(line(3))
    snapshot = log_with(followers, 3)
    assert snapshot.lines == (line(1), line(2), line(3))
    assert snapshot.source is Source.STREAMED
    assert kestra.levels == {"DEBUG"}


def test_fifty_viewers_share_one_stream(followers: Followers, kestra: ScriptedLog) -> None:
    kestra.stored = [line(1)]
    for _ in range(50):
        log_with(followers, 1)
    assert kestra.streams <= 1


def test_a_log_that_is_empty_is_an_answer_too(followers: Followers, kestra: ScriptedLog) -> None:
    snapshot = followers.logs("e", wait_seconds=SECONDS)
    assert (snapshot.lines, snapshot.error) == ((), None)
    assert snapshot.as_of is not None


def test_what_was_written_during_a_break_is_there_after_it_and_nothing_twice(
    followers: Followers, kestra: ScriptedLog
) -> None:
    kestra.stored = [line(1)]
    log_with(followers, 1)
    kestra.stored = [line(1), line(2), line(3)]
    kestra.items.put(UpstreamUnreachable("Kestra", "silence"))
    kestra.items.put(line(3))
    kestra.items.put(line(4))
    snapshot = log_with(followers, 4)
    assert snapshot.lines == tuple(line(n) for n in range(1, 5))
    assert snapshot.error is None


def test_without_a_stream_it_polls_and_says_so(followers: Followers, kestra: ScriptedLog) -> None:
    kestra.stream_error = UpstreamUnreachable("Kestra", "no stream here")
    kestra.stored = [line(1)]
    log_with(followers, 1)
    kestra.stored = [line(1), line(2)]
    snapshot = log_with(followers, 2)
    assert snapshot.source is Source.POLLED
    assert snapshot.error is None


def test_an_unreachable_kestra_keeps_the_lines_and_says_why(
    followers: Followers, kestra: ScriptedLog
) -> None:
    kestra.stored = [line(1)]
    first = log_with(followers, 1)
    kestra.stream_error = kestra.list_error = UpstreamUnreachable("Kestra", "refused")
    kestra.items.put(kestra.stream_error)
    snapshot = followers.wait_for_log("e", first.version, SECONDS)
    assert isinstance(snapshot.error, UpstreamUnreachable)
    assert snapshot.lines == first.lines
    kestra.stream_error = kestra.list_error = None
    assert followers.wait_for_log("e", snapshot.version, SECONDS).error is None


def test_who_listens_hears_of_new_lines_until_the_subscription_is_closed(
    followers: Followers, kestra: ScriptedLog
) -> None:
    heard: queue.Queue[LogSnapshot] = queue.Queue()
    subscription = followers.subscribe_log("e", heard.put)
    kestra.items.put(line(7))
    while heard.get(timeout=SECONDS).lines != (line(7),):
        pass
    subscription.close()
    kestra.items.put(line(8))
    log_with(followers, 2)
    assert heard.empty()


LINES = st.lists(
    st.builds(
        line, st.integers(0, 30), st.sampled_from(["", "a", "b"]), level=st.sampled_from(["INFO", "WARN"])
    )
)


@given(st.lists(LINES))
def test_a_book_holds_each_line_once_in_order_however_they_come(batches: list[list[LogLine]]) -> None:
    book = LogBook()
    for batch in batches:
        book.add(batch)
    every = {each.model_dump_json(): each for batch in batches for each in batch}
    assert {each.model_dump_json() for each in book.lines()} == set(every)
    assert len(book.lines()) == len(every)
    assert all(a.at <= b.at for a, b in pairwise(book.lines()))
    assert not book.add(line for batch in batches for line in batch)


@given(st.permutations(range(40)), st.integers(1, 40))
def test_a_full_book_keeps_the_newest(order: list[int], most: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_book, "MOST_LINES", most)
        book = LogBook()
        for _ in range(3):  # as after each silence
            for n in order:
                book.add([line(n)])
        assert book.lines() == tuple(line(n) for n in range(40 - most, 40))
        assert book.is_cut == (most < 40)


def test_a_book_never_outgrows_its_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_book, "MOST_CHARACTERS", 1000)
    monkeypatch.setattr(log_book, "MOST_IN_LINE", 300)
    book = LogBook()
    book.add(line(n, "x" * 5000) for n in range(10))
    assert 1 < len(book.lines()) <= 3
    assert book.lines()[-1].message.endswith("… (5000 characters)")
    assert book.is_cut
