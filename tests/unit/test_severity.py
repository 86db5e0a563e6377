import itertools

import pytest

from dashboard.domain.severity import CHOICES, Severity, normalise


@pytest.mark.parametrize("text", ["low", " Medium ", "HIGH", "critical\n"])
def test_case_and_blanks_do_not_matter(text: str) -> None:
    assert normalise(text) is Severity(text.strip().upper())


@pytest.mark.parametrize("text", ["", None, "sev1", "HIGHEST", "LOW;MEDIUM"])
def test_anything_else_is_unknown(text: str | None) -> None:
    assert normalise(text) is Severity.UNKNOWN


def test_the_choices_rise() -> None:
    assert all(b.is_higher_than(a) for a, b in itertools.pairwise(CHOICES))


def test_unknown_is_treated_as_high() -> None:
    assert not Severity.HIGH.is_higher_than(Severity.UNKNOWN)
    assert not Severity.UNKNOWN.is_higher_than(Severity.HIGH)
    assert Severity.UNKNOWN.is_higher_than(Severity.MEDIUM)
