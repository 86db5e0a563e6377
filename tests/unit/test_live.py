"""Board, topics, headline and the feed of `news()`: what is new gets to who waits, once, in order."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from dashboard.domain.execution import StateChange, TaskRun
from dashboard.errors import NotFound, NotSignedIn, UpstreamUnreachable
from dashboard.kestra_api.followers import Followers
from dashboard.live import following
from dashboard.live.board import _MOST_KEPT, Board
from dashboard.live.feed import NewsFeed
from dashboard.live.headline import headline
from dashboard.live.topics import Kind, Topic, parse
from tests.support.until import until
from tests.unit.test_follower import PAUSED, RUNNING, START, ScriptedKestra, execution
from tests.unit.test_log_follower import ScriptedLog, line

RUN = Topic(Kind.EXECUTION, "abc")
ACME = Topic(Kind.ORGANIZATION, "acme")


class TestTopics:
    @pytest.mark.parametrize("topic", [RUN, ACME])
    def test_a_topic_is_read_as_it_is_written(self, topic: Topic) -> None:
        assert parse(str(topic)) == topic

    @pytest.mark.parametrize(
        "text",
        ["", "execution:", "execution:a b", "execution:a\n", "system:x", "execution:" + "x" * 101, "a:b:c"],
    )
    def test_anything_else_is_no_topic(self, text: str) -> None:
        with pytest.raises(ValueError, match="no topic"):
            parse(text)


class TestBoard:
    def test_every_publication_is_a_later_version_even_with_the_same_headline(self) -> None:
        board = Board()
        assert board.read(RUN).version == f"{board.epoch}.0"
        numbers = []
        for _ in range(3):
            board.publish(RUN, "Running")
            numbers.append(int(board.read(RUN).version.partition(".")[2]))
        assert numbers == sorted(set(numbers))
        assert board.read(RUN).headline == "Running"
        assert board.read(ACME).headline == ""

    def test_two_processes_have_different_epochs(self) -> None:
        assert Board().epoch != Board().epoch

    def test_those_who_wait_are_told_with_their_place_and_only_of_their_topic(self) -> None:
        board, told = Board(), []
        with (
            board.waiting(RUN, lambda place: told.append(("one", place))),
            board.waiting(RUN, lambda place: told.append(("two", place))),
            board.waiting(ACME, lambda place: told.append(("other", place))),
        ):
            board.publish(RUN)
            assert told == [("one", 0), ("two", 1)]
        board.publish(RUN)
        assert len(told) == 2, "told after it had left"

    def test_it_keeps_a_bounded_number_of_topics_the_newest(self) -> None:
        board = Board()
        for number in range(_MOST_KEPT + 1):
            board.publish(Topic(Kind.EXECUTION, str(number)), "x")
        assert board.read(Topic(Kind.EXECUTION, "0")).headline == ""
        assert board.read(Topic(Kind.EXECUTION, str(_MOST_KEPT))).headline == "x"

    def test_many_threads_publish_and_nothing_is_lost(self) -> None:
        board, told = Board(), []
        with board.waiting(RUN, told.append):
            threads = [
                threading.Thread(target=lambda: [board.publish(RUN) for _ in range(100)]) for _ in range(8)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert len(told) == 800


class TestHeadline:
    def test_state_and_step_in_the_words_of_the_screen(self) -> None:
        task = TaskRun(
            id="t",
            task_id="aggregate_data_sources",
            state="RUNNING",
            history=(StateChange(state="RUNNING", at=START),),
        )
        assert headline(RUNNING.model_copy(update={"task_runs": (task,)})) == "Running: Gather evidence"

    def test_what_waits_for_a_decision_says_so_once(self) -> None:
        task = TaskRun(id="t", task_id="require_approval_medium", state="PAUSED")
        paused = execution("CREATED", "PAUSED").model_copy(update={"task_runs": (task,)})
        assert headline(paused) == "Waiting for a decision"

    def test_an_end_is_the_state_alone_and_an_unknown_state_is_no_success(self) -> None:
        task = TaskRun(id="t", task_id="save", state="SUCCESS")
        ended = execution("CREATED", "SUCCESS").model_copy(update={"task_runs": (task,)})
        assert headline(ended) == "Succeeded"
        assert headline(execution("CREATED", "NEW_IN_KESTRA_3")) == "NEW_IN_KESTRA_3"

    def test_a_task_that_only_holds_others_is_no_step(self) -> None:
        task = TaskRun(id="t", task_id="handle", state="CREATED")
        assert headline(RUNNING.model_copy(update={"task_runs": (task,)})) == "Running"


class TestFollowing:
    @pytest.fixture
    def board(self, monkeypatch: pytest.MonkeyPatch) -> Board:
        board = Board()
        monkeypatch.setattr(following, "board", board)
        return board

    def test_what_a_follower_sees_is_news_whoever_made_it_follow(self, board: Board) -> None:
        kestra, told = ScriptedKestra(), []
        followers = Followers(kestra, linger_seconds=60, on_news=following.publish)
        topic = Topic(Kind.EXECUTION, "e")
        with board.waiting(topic, lambda _: told.append(board.read(topic).headline)):
            followers.watch("e")
            for seen in (RUNNING, RUNNING, PAUSED, RUNNING):  # the last is older than what was seen
                kestra.frames.put(seen)
            until(
                lambda: told == ["Running", "Waiting for a decision"],
                "both are on the board",
                seconds=5,
                every=0.01,
            )
            for _ in range(2):  # silence, and then a stream that cannot be opened
                kestra.frames.put(UpstreamUnreachable("Kestra", "gone"))
            until(lambda: len(told) == 3, "that it cannot be confirmed is news too", seconds=5, every=0.01)
        assert told[-1] == "Waiting for a decision"
        followers.close(timeout_seconds=5)

    def test_feeding_the_board_keeps_no_follower_alive(self, board: Board) -> None:
        kestra = ScriptedKestra()
        followers = Followers(kestra, linger_seconds=0, on_news=following.publish)
        followers.watch("e")
        for _ in range(2):
            kestra.frames.put(RUNNING)
        until(lambda: not any(t.name == "follow-e" for t in threading.enumerate()), "it ends", seconds=5)

    def test_a_line_of_the_log_is_news_of_the_log_alone(self, board: Board) -> None:
        kestra, topic = ScriptedLog(), Topic(Kind.LOG, "e")
        followers = Followers(kestra, linger_seconds=60, on_log=following.publish_log)
        told: list[int] = []
        with board.waiting(topic, told.append), board.waiting(Topic(Kind.EXECUTION, "e"), told.append):
            followers.logs("e", wait_seconds=5)
            known = len(told)
            kestra.items.put(line(1))
            until(lambda: len(told) == known + 1, "the line is told", seconds=5, every=0.01)
        assert board.read(Topic(Kind.EXECUTION, "e")).version.endswith(".0")
        kestra.stream_error = kestra.list_error = NotFound("over")
        kestra.items.put(ScriptedLog.CLOSE)
        followers.close(timeout_seconds=5)


class Database:
    """Answers `news()`: a number, or an error of ours."""

    def __init__(self) -> None:
        self.answer: int | Exception | None = 1
        self.asked = 0

    def __call__(self) -> int | None:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def until_asked(self, times: int = 2) -> None:
        """Until it was asked that often from now on, so that what it said is known to be heard."""
        before = self.asked
        until(lambda: self.asked >= before + times, "it is asked", seconds=5, every=0.005)


class TestFeed:
    @pytest.fixture
    def told(self) -> list[str]:
        return []

    @pytest.fixture
    def feed(self, told: list[str]) -> Iterator[NewsFeed]:
        board = Board()
        with ExitStack() as stack:
            for topic in (ACME, Topic(Kind.ORGANIZATION, "other")):
                stack.enter_context(board.waiting(topic, lambda _, name=topic.id: told.append(name)))
            yield NewsFeed(board, pause_seconds=0.01)

    def test_a_changed_number_is_told_once(self, feed: NewsFeed, told: list[str]) -> None:
        database = Database()
        with feed.watching("acme", database):
            database.until_asked(3)
            assert told == ["acme"], "what changed before the first question is not known: told once"
            database.answer = 2
            database.until_asked(3)
            assert told == ["acme"] * 2

    def test_what_changed_while_nobody_watched_is_told_to_the_next(
        self, feed: NewsFeed, told: list[str]
    ) -> None:
        database = Database()
        with feed.watching("acme", database):
            database.until_asked()
        with feed.watching("acme", database):
            database.until_asked()
        assert told == ["acme"], "nothing had changed"
        database.answer = 7
        with feed.watching("acme", database):
            database.until_asked()
        assert told == ["acme"] * 2

    def test_nobody_watches_nobody_asks(self, feed: NewsFeed) -> None:
        database = Database()
        with feed.watching("acme", database):
            database.until_asked()
        until(lambda: feed._thread is None, "the thread ends", seconds=5, every=0.005)
        asked = database.asked
        with feed.watching("other", Database()) as _:
            pass
        assert database.asked == asked

    def test_an_outage_wakes_the_pages_now_and_then_and_its_end_twice(
        self, feed: NewsFeed, told: list[str]
    ) -> None:
        database = Database()
        with feed.watching("acme", database):
            database.until_asked()
            database.answer = UpstreamUnreachable("Supabase", "gone")
            database.until_asked(2)
            assert told == ["acme"], "a single lost answer is not worth it"
            database.until_asked(30)
            woken = len(told) - 1
            assert 2 <= woken <= 8, "so that ages on the screen count on, and not at every question"
            database.answer = 1
            database.until_asked(20)
            assert len(told) == woken + 3, "at once, and when pages do not leave it alone any more"

    def test_who_is_signed_out_is_passed_over(self, feed: NewsFeed, told: list[str]) -> None:
        out, refused, signed_in = Database(), Database(), Database()
        out.answer, refused.answer = None, NotSignedIn("Supabase", "no", status=401)
        with feed.watching("acme", out), feed.watching("acme", refused), feed.watching("acme", signed_in):
            signed_in.until_asked()
            assert told == ["acme"]

    def test_each_organization_is_asked_by_its_own_people(self, feed: NewsFeed, told: list[str]) -> None:
        acme, other = Database(), Database()
        with feed.watching("acme", acme), feed.watching("other", other):
            acme.until_asked()
            other.answer = 5
            other.until_asked(3)
        assert told.count("acme") == 1
        assert told.count("other") == 2

    def test_a_defect_in_one_question_does_not_end_the_others(
        self, feed: NewsFeed, told: list[str], caplog: pytest.LogCaptureFixture
    ) -> None:
        broken, database = Database(), Database()
        broken.answer = RuntimeError("a defect")
        with feed.watching("acme", broken), feed.watching("other", database):
            database.until_asked(3)
        assert "asking for news failed" in caplog.text
        assert told == ["other"]
