"""Administration by command line: files, passwords, and what is said."""

from pathlib import Path
from typing import Any

import pytest

from dashboard import administration
from dashboard.administration import password_from, read_descriptions
from dashboard.errors import ConfigurationError, InvalidInput
from dashboard.store.administration import Applied


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.yml", "- name: payment-api\n  tier: 1\n"),
        ("a.json", '[\n\t{"name": "payment-api", "tier": 1}\n]'),
        ("a", '[{"name": "payment-api", "tier": 1}]'),
    ],
)
def test_a_list_is_read_from_yaml_and_json(tmp_path: Path, name: str, text: str) -> None:
    file = tmp_path / name
    file.write_text(text)
    assert read_descriptions(file) == [{"name": "payment-api", "tier": 1}]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"name: x", "must hold a list"),
        (b"- x", "must hold a list"),
        (b"", "must hold a list"),
        (b"- {", "cannot be understood"),
        (b"- !!python/object/apply:os.getcwd []", "cannot be understood"),
        (b"- \xff", "is not UTF-8"),
        (b"- a: 1\n- since: 2026-11-24", "Entry 2 .* holds a value that JSON does not have"),
        (b"- a: .nan", "holds a value that JSON does not have"),
    ],
)
def test_what_is_no_list_of_entries_is_said_in_one_line(tmp_path: Path, content: bytes, problem: str) -> None:
    file = tmp_path / "a.yml"
    file.write_bytes(content)
    with pytest.raises(InvalidInput, match=problem) as raised:
        read_descriptions(file)
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"nothing\.yml cannot be read: No such file"):
        read_descriptions(tmp_path / "nothing.yml")


@pytest.mark.parametrize("source", ["hunter2", "env:", "file:x", "env:UNSET"])
def test_a_password_comes_from_the_environment_only(source: str) -> None:
    assert password_from("env:SET", {"SET": "hunter2"}) == "hunter2"
    with pytest.raises(ConfigurationError) as raised:
        password_from(source, {"SET": "hunter2"})
    assert "hunter2" not in str(raised.value)


def test_what_a_file_did_is_said_entry_by_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [
        Applied(created=True, changed=False, version=1),
        Applied(created=False, changed=True, version=5),
        Applied(created=False, changed=False, version=2),
    ]
    monkeypatch.setattr(
        "dashboard.store.administration.apply_action", lambda *_: answers.pop(0), raising=True
    )
    said: list[str] = []
    nobody: Any = None
    entries = [{"key": key, "service": "x"} for key in ("a", "b", "c")]
    administration.apply_catalogue(nobody, entries, said.append)
    assert said == [
        "action a of x added (version 1)",
        "action b of x changed (version 5)",
        "action c of x unchanged (version 2)",
    ]


@pytest.mark.parametrize("more", [{"approvers": "ana@example.com"}, {"approvers": [], "approver_ids": []}])
def test_approvers_are_a_list_of_addresses_or_of_ids(more: dict[str, Any]) -> None:
    nobody: Any = None
    with pytest.raises(InvalidInput, match="Entry 1: approvers is a list of e-mail addresses"):
        administration.apply_services(nobody, [{"name": "x", "owner": "y"} | more], lambda _: None)
