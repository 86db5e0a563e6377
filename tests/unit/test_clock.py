from datetime import UTC, datetime, timedelta

import pytest

from dashboard.domain import clock

NOW = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)


def test_nanoseconds_are_cut_to_microseconds() -> None:
    assert clock.parse_instant("2026-11-23T18:21:33.379019117Z").microsecond == 379019


def test_another_offset_becomes_utc() -> None:
    assert clock.to_iso(clock.parse_instant("2026-11-24T08:00:00+02:00")) == "2026-11-24T06:00:00.000Z"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.44, "0.4 s"),
        (12, "12 s"),
        (60, "1 min"),
        (185, "3 min 5 s"),
        (7800, "2 h 10 min"),
        (97200, "1 d 3 h"),
    ],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert clock.duration_words(seconds) == words


def test_sixty_seconds_never_show() -> None:
    assert clock.duration_words(59.9) == "1 min"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-5, "just now"), (1, "just now"), (30, "30 s ago"), (3599, "59 min ago"), (90000, "1 d ago")],
)
def test_ages_in_words_never_lie_in_the_future(seconds: float, words: str) -> None:
    assert clock.age_words(NOW - timedelta(seconds=seconds), NOW) == words


def test_a_deadline_that_has_passed_says_so() -> None:
    assert clock.time_left_words(NOW + timedelta(minutes=5), NOW) == "5 min left"
    assert clock.time_left_words(NOW - timedelta(minutes=5), NOW) == "passed 5 min ago"
