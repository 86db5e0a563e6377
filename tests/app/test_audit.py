"""The audit log's page: what it shows, and what is taken along."""

from __future__ import annotations

import csv
import io
import json

import pytest

from dashboard.store import audit
from dashboard.store.audit import Entry, Wanted
from dashboard.ui.audit_log import as_csv, as_json
from tests.app.conftest import Open, words
from tests.app.examples import ago

HOSTILE = "=cmd|' /C calc'!A0 **bold** :red[x] ![](http://evil.example/x)"
ENTRY = Entry(
    id=7,
    at=ago(60),
    actor_id=None,
    actor_name=HOSTILE,
    action="approval.approved",
    subject_kind="approvals",
    subject_id="33333333-3333-4333-8333-333333333333",
    detail={"reason": HOSTILE, "content_hash": "ab"},
)


def test_an_entry_is_shown_letter_by_letter(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "list_entries", lambda *_, **__: ((ENTRY,), False))
    app = open_page("audit")
    assert not app.exception
    (line,) = app.expander
    assert "approved" in line.label
    assert "**bold**" not in line.label
    assert ":red[" not in line.label


def test_filters_go_to_the_database_and_nothing_found_says_which_nothing(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Wanted] = []

    def nothing(_: object, wanted: Wanted, page: int) -> tuple[tuple[Entry, ...], bool]:
        asked.append(wanted)
        return (), False

    monkeypatch.setattr(audit, "list_entries", nothing)
    app = open_page("audit", action="approval", actor=" Ana ")
    assert "No entry matches." in words(app)
    assert (asked[-1].kind, asked[-1].actor) == ("approval", "Ana")
    assert "Nothing was recorded in this time." in words(open_page("audit"))


def test_another_filter_begins_at_the_first_page(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def many(_: object, wanted: Wanted, page: int) -> tuple[tuple[Entry, ...], bool]:
        asked.append(page)
        return (ENTRY,), True

    monkeypatch.setattr(audit, "list_entries", many)
    app = open_page("audit", page="2").run()
    assert asked[-1] == 2
    app.selectbox(key="action").select("approval").run()
    assert asked[-1] == 1


def test_files_hold_everything_and_no_formula() -> None:
    (row,) = csv.DictReader(io.StringIO(as_csv([ENTRY]).decode()))
    assert row["actor_name"] == "'" + HOSTILE
    assert json.loads(row["detail"]) == ENTRY.detail
    (entry,) = json.loads(as_json([ENTRY]))
    assert Entry.model_validate(entry) == ENTRY
