"""System during a hold: what is not known any more, and the release."""

from __future__ import annotations

from typing import Any

import pytest

from dashboard.domain.hold import ForgottenRun, Hold, Released
from dashboard.errors import Conflict, UpstreamUnreachable
from dashboard.store import holds, system
from dashboard.store.people import Role
from dashboard.ui import session
from tests.app.conftest import Open, person, words
from tests.app.examples import ago
from tests.app.test_system import report

HOLD = {"id": 3, "reason": "It was restored.", "begun_by": "w-1", "began_at": ago(60), "runs": 1, "acted": 1}
RUN = {
    "kestra_execution_id": "exec-9",
    "external_id": "INC-9",
    "service": "payment-api",
    "severity": "LOW",
    "title": "High [error](https://evil.example) rate",
    "state": "SUCCESS",
    "started_at": ago(3600),
    "actions": [{"action_key": "restart_service", "outcome": "acted", "verified": True}],
}


@pytest.fixture(autouse=True)
def held(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The reasons with which it was released."""
    raised = {
        "id": 8,
        "kind": "on_hold",
        "subject": "",
        "sentence": "The workers are on hold: it was restored.",
        "means": "Nothing is started or delivered.",
        "to_do": "Stop and look.",
        "raised_at": ago(60),
        "seen_at": ago(1),
    }
    reasons: list[str] = []

    def release(_: object, reason: str) -> Released:
        if reasons:
            raise Conflict("The workers are not on hold, or somebody else has just released them.")
        reasons.append(reason)
        return Released(withdrawn_starts=1, cancelled_approvals=2)

    monkeypatch.setattr(system, "get_report", lambda _: report(alarms=[raised]))
    monkeypatch.setattr(holds, "find", lambda _: Hold.model_validate(HOLD))
    monkeypatch.setattr(holds, "list_forgotten", lambda *_: (ForgottenRun.model_validate(RUN),))
    monkeypatch.setattr(holds, "release", release)
    return reasons


def buttons(app: Any) -> list[str]:
    return [str(button.key) for button in app.button]


def test_everybody_is_told_and_only_an_admin_sees_the_list_and_the_release(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page("system")
    assert "The workers are on hold: it was restored." in words(app)
    assert "exec-9" not in words(app)
    assert "hold_release" not in buttons(app)
    monkeypatch.setattr(session, "current_user", lambda: person(Role.ADMIN, "Ada Admin"))
    app = open_page("system")
    assert "exec-9" in words(app)
    assert "hold_release" in buttons(app)


def test_each_run_says_what_it_was_and_did_and_its_title_is_text(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "current_user", lambda: person(Role.ADMIN, "Ada Admin"))
    app = open_page("system")
    [line] = [each.value for each in app.markdown if "The whole run is unknown" in each.value]
    assert "[error](" not in line
    text = words(app)
    assert "INC-9, LOW, payment-api, High [error]" in text
    assert "It says to have carried out: restart_service acted, verified." in text


def test_a_release_needs_its_reason_and_says_what_it_changed(
    open_page: Open, monkeypatch: pytest.MonkeyPatch, held: list[str]
) -> None:
    monkeypatch.setattr(session, "current_user", lambda: person(Role.ADMIN, "Ada Admin"))
    app = open_page("system")
    app.text_area(key="hold_reason").input("Looked at all of them")
    app.button(key="hold_release").click().run()
    assert held == ["Looked at all of them"]
    [said] = [each.value for each in app.success]
    assert "Starts withdrawn: 1" in said
    assert "Approvals cancelled: 2" in said
    app.button(key="hold_release").click().run()
    assert "somebody else has just released them" in words(app)


def test_while_supabase_is_away_nothing_can_be_released_and_that_is_said(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise UpstreamUnreachable("Supabase", "Supabase cannot be reached (ConnectError).")

    monkeypatch.setattr(session, "current_user", lambda: person(Role.ADMIN, "Ada Admin"))
    app = open_page("system")
    for module, name in ((system, "get_report"), (holds, "find")):
        monkeypatch.setattr(module, name, away)
    text = words(app.run())
    assert "Shown is what was known" in text
    assert "exec-9" in text
    button = app.button(key="hold_release")
    assert button.disabled
    assert "nothing can be changed just now" in button.help
