"""Finding incidents: newest first, letter by letter, in one's own organization."""

from typing import Any

import pytest

from tests.sql.desk import Desk


def search(desk: Desk, **arguments: Any) -> list[str]:
    named = ", ".join(f"{name} => %s" for name in arguments)
    claims = {"sub": desk.vera.id, "role": "authenticated"}
    query = f"select title from public.search_incidents({named})"
    return [row["title"] for row in desk.as_role("authenticated", claims, query, list(arguments.values()))]


@pytest.fixture
def listed(desk: Desk) -> Desk:
    for title in ("Disk at 91 %", "Pool_exhausted", "Täler langsam", "Poolxexhausted"):
        desk.submit(title=title)
    return desk


def test_all_newest_first_and_by_page(listed: Desk) -> None:
    assert search(listed) == ["Poolxexhausted", "Täler langsam", "Pool_exhausted", "Disk at 91 %"]
    assert search(listed, skip=1, take=2) == ["Täler langsam", "Pool_exhausted"]
    assert search(listed, skip=-5, take=-1) == []


@pytest.mark.parametrize(
    ("words", "titles"),
    [
        ("pool_", ["Pool_exhausted"]),
        ("91 %", ["Disk at 91 %"]),
        ("%", ["Disk at 91 %"]),
        ("TÄLER", ["Täler langsam"]),
        ("payment-api", ["Poolxexhausted", "Täler langsam", "Pool_exhausted", "Disk at 91 %"]),
        ("\\", []),
        ("' or true --", []),
    ],
)
def test_words_are_looked_for_as_they_are_written(listed: Desk, words: str, titles: list[str]) -> None:
    assert search(listed, search=words) == titles


def test_filters_narrow(listed: Desk) -> None:
    listed.rows("update incidents set status = 'resolved' where title like 'Disk%%' returning 1")
    assert search(listed, statuses=["resolved"]) == ["Disk at 91 %"]
    assert search(listed, severities=["HIGH"]) == []


def test_another_organization_is_never_found(listed: Desk) -> None:
    other = Desk(listed.url, "globex")
    assert search(other) == []
    assert search(other, search="Pool") == []
