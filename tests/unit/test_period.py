"""Periods are whole days of UTC."""

from datetime import date, timedelta

from dashboard.domain.period import LONGEST_DAYS, Period, Span, between, ending

TODAY = date(2026, 11, 24)


def test_so_many_days_end_with_today() -> None:
    week = ending(TODAY, Span.WEEK.days)
    assert (week.first, week.last, week.days) == (date(2026, 11, 18), TODAY, 7)
    assert week.until - week.since == timedelta(days=7)
    assert week.since.isoformat() == "2026-11-18T00:00:00+00:00"


def test_the_period_before_touches_this_one() -> None:
    for days in (1, 7, 90):
        period = ending(TODAY, days)
        assert period.before().until == period.since
        assert period.before().days == days


def test_days_in_any_order_never_reach_beyond_today_or_three_years() -> None:
    tomorrow = TODAY + timedelta(days=1)
    assert between(tomorrow, TODAY, TODAY) == Period(TODAY, TODAY)
    assert between(TODAY, date(2026, 11, 1), TODAY) == Period(date(2026, 11, 1), TODAY)
    assert between(date(2001, 1, 1), TODAY, TODAY).days == LONGEST_DAYS
