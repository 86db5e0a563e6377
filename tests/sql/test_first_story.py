"""The guided first story: how far it has come, for each person, until they put it away."""

from typing import Any

import pytest

from tests.sql.desk import Desk, Person, Refused


def story(desk: Desk, person: Person) -> Any:
    return desk.by(person, "first_story")


def test_it_follows_the_first_medium_incident_to_its_decision(desk: Desk) -> None:
    assert story(desk, desk.rita)["incident_id"] is None
    desk.submit(severity="HIGH")
    assert story(desk, desk.rita)["incident_id"] is None
    _, approval = desk.waiting()
    assert story(desk, desk.rita)["approval_status"] == "pending"
    assert story(desk, desk.rita)["may_decide"] is False
    assert story(desk, desk.rita)["deciders"] == ["Ada", "Ana", "Ben"]
    assert story(desk, desk.ana)["may_decide"] is True
    desk.decide(desk.ana, approval)
    told = story(desk, desk.rita)
    assert (told["approval_status"], told["decided_by_name"]) == ("approved", "Ana")


def test_a_decided_one_counts_although_a_newer_one_waits(desk: Desk) -> None:
    _, approval = desk.waiting()
    desk.decide(desk.ana, approval)
    desk.waiting()
    assert story(desk, desk.ana)["approval_status"] == "approved"


def test_put_away_it_stays_away_for_that_person_alone(desk: Desk) -> None:
    for _ in range(2):
        desk.by(desk.rita, "dismiss_hint", hint="first_story")
    assert story(desk, desk.rita) is None
    assert story(desk, desk.ana) is not None


def test_only_hints_that_exist_can_be_put_away(desk: Desk) -> None:
    with pytest.raises(Refused) as refused:
        desk.by(desk.rita, "dismiss_hint", hint="anything")
    assert refused.value.code == "invalid"


def test_another_organizations_incident_is_no_part_of_it(desk: Desk) -> None:
    desk.waiting()
    other = Desk(desk.url, "globex")
    assert story(other, other.rita)["incident_id"] is None
