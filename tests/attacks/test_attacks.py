"""Every attack of the tables fails with its defence, and succeeds without it."""

import copy
from collections.abc import Iterator
from contextlib import nullcontext

import pytest

from tests.attacks import act, delivery, what, when, who
from tests.attacks.attempt import Attack, kept, weaken
from tests.sql.desk import Desk
from tests.support.postgres import Database, RunningPostgres, migrated_template, scratch_database

ATTACKS = [*who.ATTACKS, *what.ATTACKS, *when.ATTACKS, *delivery.ATTACKS, *act.ATTACKS]


@pytest.fixture(scope="module")
def staffed(postgres: RunningPostgres) -> Iterator[tuple[Desk, Database]]:
    """A desk with its people, of which each attack gets a copy."""
    with scratch_database(postgres, migrated_template(postgres)) as database:
        yield Desk(database.url()), database


def at(desk: Desk, database: Database) -> Desk:
    """The same desk in a copy of its database."""
    moved = copy.copy(desk)
    moved.url = database.url()
    return moved


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_is_stopped_by_the_defence_it_names_and_by_nothing_else(
    postgres: RunningPostgres, staffed: tuple[Desk, Database], attack: Attack
) -> None:
    with scratch_database(postgres, staffed[1].name) as before:
        desk = at(staffed[0], before)
        situation = attack.prepare(desk)
        # What was refused and moved nothing leaves the same situation; otherwise it is copied before.
        copied = scratch_database(postgres, before.name) if attack.moves else nullcontext(before)
        with copied as undefended:
            stood = kept(desk, attack)
            assert attack.refused in attack.is_refused(desk, situation)
            assert kept(desk, attack) == stood, "it was refused and moved something all the same"
            open_desk = at(desk, undefended)
            weaken(open_desk, attack.defences)
            attack.strike(open_desk, situation)


def test_they_are_many_and_each_is_another() -> None:
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS) >= 36
