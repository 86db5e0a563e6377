"""How often the supervisor starts a part again, with programs of a line."""

import io
from pathlib import Path
from threading import Event, Thread
from typing import cast

import pytest
from rich.console import Console

from sandbox.supervisor.part import Part, PartFailed, Program
from sandbox.supervisor.plan import Sandbox
from sandbox.supervisor.run import Supervisor
from sandbox.supervisor.screen import Screen
from tests.support.until import until


class Plan:
    """A sandbox of one program; each of its starts is the next of `lives`, the last one for good."""

    empty = False

    def __init__(self, folder: Path, lives: list[str]) -> None:
        self.folder = folder
        for number, life in enumerate(lives):
            (folder / f"life-{number}").write_text(life)
        self.ready = folder / "ready"
        self.endpoints_file = folder / "endpoints.json"

    def _program(self, name: str, script: str) -> Program:
        return Program(name, ["sh", "-c", script], {"PATH": "/usr/bin:/bin"}, self.folder / f"{name}.log")

    def parts(self) -> list[Part]:
        script = f'cd "{self.folder}"; set -- life-*; life=$(cat "$1"); [ $# = 1 ] || rm "$1"; eval "$life"'
        return [Part(self._program("Part", script), self.ready.exists, ready_seconds=10)]

    def desk(self) -> Part:
        return Part(self._program("Desk", "exec sleep 60"), lambda: True, ready_seconds=10)

    def migrate(self) -> Program:
        return self._program("Nothing", "true")

    seed = deploy = migrate

    def endpoints(self, pid: int) -> dict[str, int]:
        return {"pid": pid}


LIVE, DIE_WHEN_TOLD, DIE_AT_ONCE = (
    "touch ready; exec sleep 60",
    "touch ready; until [ -e die ]; do sleep 0.05; done; rm ready; exit 1",
    "exit 1",
)


@pytest.fixture
def said() -> list[str]:
    return []


def supervisor(plan: Plan, stopping: Event) -> Supervisor:
    return Supervisor(cast(Sandbox, plan), Screen(Console(file=io.StringIO())), stopping)


def test_a_part_that_dies_before_it_is_ready_again_gets_another_try(tmp_path: Path, said: list[str]) -> None:
    stopping = Event()
    runs = supervisor(Plan(tmp_path, [DIE_WHEN_TOLD, DIE_AT_ONCE, LIVE]), stopping)
    watch = Thread(target=runs.watch, args=[said.append])
    try:
        runs.start()
        (tmp_path / "die").touch()
        watch.start()
        until(lambda: any("Part is back" in line for line in said) or not watch.is_alive(), "it is back")
    finally:
        stopping.set()
        runs.stop()
    watch.join(5)
    assert [line.split(":")[0] for line in said[:2]] == ["Part ended with exit code 1"] * 2
    assert said[2].startswith("Part is back")


def test_a_part_that_keeps_dying_ends_the_sandbox(tmp_path: Path, said: list[str]) -> None:
    runs = supervisor(Plan(tmp_path, [DIE_WHEN_TOLD, DIE_AT_ONCE]), Event())
    try:
        runs.start()
        (tmp_path / "die").touch()
        with pytest.raises(PartFailed, match="It keeps ending, so the sandbox stops"):
            runs.watch(said.append)
    finally:
        runs.stop()
    assert len(said) == 3
