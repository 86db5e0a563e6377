"""An incident while it is written: what it becomes, and what is said about it beforehand."""

import pytest

from dashboard.domain.draft import Draft, LogFile, Pair, draft_of_payload, number_or_text
from dashboard.domain.incident import MAX_BYTES, parse_payload
from dashboard.domain.preview import Branch, PossibleAction
from dashboard.domain.severity import Severity
from dashboard.samples import SAMPLES, Sample

FULL = Draft(
    attempt="INC-1",
    service="payment-api",
    severity="LOW",
    title="T",
    logs="two\n\nthree",
    log_file=LogFile(name="a.log", lines=("one",)),
    metrics=(Pair(name=" error_rate ", value="0.5"), Pair()),
    context=(Pair(name="host", value=" a "),),
)


def test_it_becomes_a_payload_without_losing_anything() -> None:
    payload = parse_payload(FULL.to_payload())
    assert payload.id == "INC-1"
    assert payload.logs == ("one", "two", "three")
    assert payload.metrics == {"error_rate": 0.5}
    assert payload.context == {"host": "a"}
    assert FULL.problems() == ()


def test_rows_that_would_swallow_each_other_are_named() -> None:
    twice = FULL.model_copy(
        update={"metrics": (Pair(name="a", value="1"), Pair(name="a ", value="2"), Pair(value="9"))}
    )
    assert [(found.field, found.problem.split(";")[0]) for found in twice.problems()] == [
        ("metrics.a", "stands twice"),
        ("metrics", "the value '9' has no name"),
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [("3", 3), ("0.5", 0.5), ("1e3", 1000.0), ("nan", "nan"), ("inf", "inf"), ("high", "high")],
)
def test_a_metric_is_a_number_where_it_is_one(text: str, value: object) -> None:
    assert number_or_text(text) == value


def test_empty_is_what_nobody_would_miss() -> None:
    assert Draft(attempt="INC-1", service="a", severity="LOW", metrics=(Pair(),)).is_empty
    for content in (
        {"title": "t"},
        {"logs": "l"},
        {"json_text": "{"},
        {"metrics": [{"value": "1"}]},
        {"log_file": {"name": "a.log"}},
    ):
        assert not Draft.model_validate(content).is_empty, content


def test_its_size_is_what_travels_and_beyond_the_cap_it_says_so() -> None:
    large = FULL.model_copy(update={"logs": "x" * MAX_BYTES})
    assert large.size() > MAX_BYTES
    assert "logs" in {found.field for found in large.problems()}
    assert large.is_too_large_to_keep()
    assert not FULL.is_too_large_to_keep()


def test_half_a_letter_is_a_problem_not_a_crash() -> None:
    broken = FULL.model_copy(update={"title": "\ud800"})
    assert broken.size() > 0
    assert {found.field for found in broken.problems()} == {"title"}


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.key)
@pytest.mark.parametrize("as_file", [False, True])
def test_a_sample_put_into_the_form_is_the_same_incident(sample: Sample, as_file: bool) -> None:
    payload = sample.to_payload("INC-1")
    draft = draft_of_payload(payload, "INC-2", lines_from="sample.log" if as_file else "")
    own = ("id", "file_separately")
    again = {name: value for name, value in draft.to_payload().items() if name not in own}
    assert again == {name: value for name, value in payload.items() if name not in own}
    parse_payload(payload)


@pytest.mark.parametrize(
    ("branch", "said"),
    [
        (Branch(severity=Severity.MEDIUM, does="ask", deciders=("A",)), "asks A; 1 h"),
        (
            Branch(severity=Severity.MEDIUM, does="ask", deciders=("A", "B", "C", "D", "E")),
            "A, B, C or 2 others",
        ),
        (
            Branch(severity=Severity.MEDIUM, does="ask", deciders=("A",), approvals_required=2),
            "nobody may decide",
        ),
        (Branch(severity=Severity.LOW, does="act"), "nothing of low risk"),
        (
            Branch(severity=Severity.LOW, does="act", actions=(PossibleAction(title="R", risk="low"),)),
            "May act by itself",
        ),
        (Branch(severity=Severity.LOW, does="escalate", why="x does not allow it."), "x does not allow it."),
        (Branch(severity=Severity.CRITICAL, does="escalate"), "at once"),
    ],
)
def test_each_branch_in_one_line(branch: Branch, said: str) -> None:
    assert said in branch.summary()
