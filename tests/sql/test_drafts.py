"""Drafts: kept for the person alone, never over a newer one, gone after a week."""

from typing import Any

import psycopg
import pytest

from tests.sql.desk import Desk, Person, Refused


def find(desk: Desk, person: Person) -> list[dict[str, Any]]:
    claims = {"sub": person.id, "role": "authenticated"}
    return desk.as_role("authenticated", claims, "select content, version, saved_at from public.drafts", [])


def save(desk: Desk, person: Person, title: str, version: int = 0) -> int:
    answer = desk.by(person, "save_draft", content={"title": title}, version=version)
    return int(answer["version"])


def test_each_person_finds_their_own_draft_and_nobody_elses(desk: Desk) -> None:
    save(desk, desk.rita, "of Rita")
    save(desk, desk.ana, "of Ana")
    assert [row["content"] for row in find(desk, desk.rita)] == [{"title": "of Rita"}]
    assert [row["content"] for row in find(desk, desk.ana)] == [{"title": "of Ana"}]
    assert find(desk, desk.ada) == []


def test_the_service_key_and_anon_read_no_draft(desk: Desk) -> None:
    save(desk, desk.rita, "mine")
    for role in ("service_role", "anon"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            desk.as_role(role, {"role": role}, "select * from public.drafts", [])


def test_a_viewer_has_nothing_to_draft(desk: Desk) -> None:
    with pytest.raises(Refused) as refused:
        save(desk, desk.vera, "x")
    assert refused.value.code == "not_allowed"


def test_a_person_switched_off_sees_no_draft(desk: Desk) -> None:
    save(desk, desk.rita, "mine")
    desk.configure("profiles", desk.rita.id, active=False)
    assert find(desk, desk.rita) == []


def test_an_older_tab_does_not_overwrite_a_newer_draft(desk: Desk) -> None:
    first = save(desk, desk.rita, "one")
    second = save(desk, desk.rita, "two", version=first)
    for seen in (0, first):
        with pytest.raises(Refused) as refused:
            save(desk, desk.rita, "old", version=seen)
        assert refused.value.code == "stale_content"
    assert find(desk, desk.rita)[0]["content"] == {"title": "two"}
    assert save(desk, desk.rita, "three", version=second) == second + 1


def test_a_discarded_draft_is_gone_and_the_tab_that_goes_on_writing_saves_again(desk: Desk) -> None:
    seen = save(desk, desk.rita, "one")
    desk.by(desk.rita, "discard_draft")
    assert desk.rows("select from drafts") == []
    assert save(desk, desk.rita, "two", version=seen) == seen + 1


def test_a_draft_expires_a_week_after_its_last_change_and_the_next_save_of_anybody_deletes_it(
    desk: Desk,
) -> None:
    seen = save(desk, desk.rita, "one")
    kept = desk.row("select expires_at - saved_at as kept from drafts")["kept"]
    assert kept.days == 7
    with psycopg.connect(desk.url) as owner:
        owner.execute("update public.drafts set expires_at = now()")
    assert find(desk, desk.rita) == []
    save(desk, desk.ana, "other")
    assert [str(row["user_id"]) for row in desk.rows("select user_id from drafts")] == [desk.ana.id]
    assert save(desk, desk.rita, "again", version=seen) == seen + 1


def test_too_large_a_draft_is_refused_and_the_former_one_stays(desk: Desk) -> None:
    seen = save(desk, desk.rita, "small")
    with pytest.raises(Refused) as refused:
        save(desk, desk.rita, "x" * 1_000_000, version=seen)
    assert refused.value.code == "invalid"
    assert find(desk, desk.rita)[0]["content"] == {"title": "small"}


def test_a_draft_is_cleaned_like_what_is_submitted(desk: Desk) -> None:
    with psycopg.connect(desk.url) as connection:
        connection.execute("select set_config('role', 'authenticated', true)")
        claims = f'{{"sub": "{desk.rita.id}"}}'
        connection.execute("select set_config('request.jwt.claims', %s, true)", [claims])
        connection.execute("select public.save_draft(%s::json)", ['{"title": "a\\u0000b \\ud800 c"}'])
    assert find(desk, desk.rita)[0]["content"] == {"title": "ab \ufffd c"}
