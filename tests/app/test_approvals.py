"""The inbox of approvals: what waits and for whom, what was decided, what a link asks for."""

from __future__ import annotations

import pytest

from dashboard.domain.clock import parse_instant
from dashboard.domain.listing import ApprovalFilters, ListedApproval
from dashboard.store import approvals
from tests.app.conftest import Open, words
from tests.app.examples import APPROVAL_ID, INCIDENT_ID, ago, make_waiting


def decided() -> ListedApproval:
    return ListedApproval.model_validate(
        {
            "id": APPROVAL_ID,
            "incident_id": INCIDENT_ID,
            "external_id": "INC-1",
            "service": "payment-api",
            "severity": "MEDIUM",
            "title": "Pool",
            "status": "approved",
            "created_at": ago(900),
            "deadline_at": ago(-900),
            "decided_at": ago(600),
            "decided_by_name": "Ada Admin",
            "decision_reason": "It is the pool.",
            "outcome": "unknown",
        }
    )


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[ApprovalFilters, int]]:
    """What the page has asked the store for."""
    calls: list[tuple[ApprovalFilters, int]] = []

    def listed(_: object, filters: ApprovalFilters, page: int) -> tuple[tuple[ListedApproval, ...], bool]:
        calls.append((filters, page))
        return (decided(),), False

    monkeypatch.setattr(approvals, "list_page", listed)
    return calls


def test_what_i_may_decide_stands_first_and_why_not_is_said(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = make_waiting(
        id=INCIDENT_ID, may_decide=False, why_not="You submitted this.", deadline_at=ago(-60)
    )
    monkeypatch.setattr(approvals, "list_waiting", lambda _: (others, make_waiting()))
    text = words(open_page("approvals"))
    assert "1 waits for you, 1 for somebody else." in text
    assert text.index("you may decide") < text.index("You submitted this.")


def test_many_that_wait_come_in_pages(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    many = tuple(make_waiting(id=str(number), title=f"Number {number} waits") for number in range(60))
    monkeypatch.setattr(approvals, "list_waiting", lambda _: many)
    app = open_page("approvals")
    text = words(app)
    assert "60 wait for you, 0 for somebody else." in text
    assert "1 to 50 of 60 approvals." in text
    assert ("Number 49 waits" in text, "Number 50 waits" in text) == (True, False)
    text = words(open_page("approvals", page="2"))
    assert ("Number 49 waits" in text, "Number 50 waits" in text) == (False, True)
    # The list has become shorter than the page that was asked for.
    monkeypatch.setattr(approvals, "list_waiting", lambda _: many[:3])
    assert "Number 2 waits" in words(open_page("approvals", page="2"))


def test_none_waits_is_not_the_same_as_none_of_these_services(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "A MEDIUM incident brings one" in words(open_page("approvals"))
    monkeypatch.setattr(approvals, "list_waiting", lambda _: (make_waiting(),))
    assert "No approval of these services waits." not in words(open_page("approvals"))


def test_the_decided_say_by_whom_and_what_came_of_it(
    open_page: Open, asked: list[tuple[ApprovalFilters, int]]
) -> None:
    text = words(open_page("approvals", show="Decided"))
    assert asked[-1] == (ApprovalFilters(statuses=("approved", "rejected")), 1)
    for said in ("approved", "may have happened", "Ada Admin", "It is the pool.", "1 approval."):
        assert said in text


def test_a_link_from_a_figure_shows_just_those_rows_until_it_is_let_go(
    open_page: Open, asked: list[tuple[ApprovalFilters, int]]
) -> None:
    app = open_page("approvals", outcome="none", since="2026-11-01T00:00:00Z")
    since = parse_instant("2026-11-01T00:00:00Z")
    assert asked[-1] == (ApprovalFilters(outcomes=("none",), since=since), 1)
    assert "Only those outcome none, asked for from 2026-11-01 00:00:00 UTC." in words(app)
    app.button(key="forget_link").click().run()
    assert "No approval waits." in words(app)


def test_an_outcome_in_the_address_is_shown_letter_by_letter(
    open_page: Open, asked: list[tuple[ApprovalFilters, int]]
) -> None:
    app = open_page("approvals", outcome=":red[x](https://evil.example)")
    assert not app.exception
    assert all(":red[" not in str(element.value) for element in app.markdown)
