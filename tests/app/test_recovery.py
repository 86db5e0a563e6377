"""A link that was opened while Supabase was away: the page says so, and comes back by itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.errors import NotFound, UpstreamUnreachable
from dashboard.store import approvals, cases, services
from dashboard.ui import session
from tests.app.conftest import Open, person, words
from tests.app.examples import APPROVAL_ID, INCIDENT_ID

AWAY = UpstreamUnreachable("Supabase", "Supabase cannot be reached.")


def failing(*errors: Exception, then: Callable[..., Any]) -> Callable[..., Any]:
    """Raises these, one at a time; from then on it answers."""
    left = list(errors)

    def answer(*arguments: Any) -> Any:
        if left:
            raise left.pop(0)
        return then(*arguments)

    return answer


def asks_again(app: AppTest) -> bool:
    """Whether the page looks every few seconds whether there is an answer."""
    data = [json.loads(part.proto.json) for part in app.get("bidi_component") if part.proto.json]
    return any(isinstance(one, dict) and one.get("fallback") == 5000 for one in data)


def test_who_is_there_is_asked_again_until_there_is_an_answer(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "current_user", failing(*[AWAY] * 2, then=person))
    app = open_page()
    assert "Supabase cannot be reached." in words(app)
    assert asks_again(app)
    monkeypatch.setattr(session, "current_user", failing(AWAY, then=person))
    assert [title.value for title in app.run().title] == ["Overview"]


PAGES = [("approval", APPROVAL_ID, approvals, "get_approval"), ("incident", INCIDENT_ID, cases, "get_case")]


@pytest.mark.parametrize(("page", "about", "module", "name"), PAGES)
def test_a_page_that_could_not_be_read_asks_again(
    open_page: Open, monkeypatch: pytest.MonkeyPatch, page: str, about: str, module: Any, name: str
) -> None:
    def away(*_: object) -> None:
        raise AWAY

    def gone(*_: object) -> None:
        raise NotFound("There is no such thing.")

    monkeypatch.setattr(module, name, away)
    app = open_page(page, id=about)
    assert "Supabase cannot be reached." in words(app)
    # The answer, here a refusal, runs the page again, and the page says it.
    monkeypatch.setattr(module, name, failing(AWAY, then=gone))
    text = words(app.run())
    assert "There is no such thing." in text
    assert "Supabase cannot be reached." not in text


def test_what_fails_below_the_head_of_a_page_leaves_its_head(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "list_services", failing(*[AWAY] * 9, then=tuple))
    app = open_page("approvals")
    assert not app.exception
    assert [title.value for title in app.title] == ["Approvals"]
    assert "Supabase cannot be reached." in words(app)
