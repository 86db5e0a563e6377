"""The life of a sandbox: start in order, watch, stop."""

import json
import os
import time
from collections.abc import Callable
from threading import Event

from sandbox.supervisor.keys import write_private
from sandbox.supervisor.part import Part, PartFailed, Program, run_to_end
from sandbox.supervisor.plan import Sandbox
from sandbox.supervisor.screen import Screen

_WATCH_SECONDS = 0.5
_QUICK_DEATH_SECONDS = 30
_QUICK_DEATHS_ALLOWED = 3
_STOP_SECONDS = 5
# An engine that has just started on a busy machine may let the first request wait too long.
_DEPLOY_TRIES = 3


class Supervisor:
    """Owns the processes of one sandbox; `stopping` is set from a signal handler."""

    def __init__(self, sandbox: Sandbox, screen: Screen, stopping: Event) -> None:
        self._sandbox = sandbox
        self._screen = screen
        self._stopping = stopping
        self._running: list[Part] = []
        self._quick_deaths: dict[str, int] = {}

    def start(self) -> None:
        """Everything up and filled; raises PartFailed on the first thing that does not work.

        The engine takes longest, so all that does not need it is done meanwhile: also the desk's own start,
        which bears a Kestra that is not there yet.
        """
        parts = self._sandbox.parts()
        for part in parts:
            self._screen.begin(part.name)
            part.start()
            self._running.append(part)
        if self._sandbox.empty:
            for part in parts:
                self._wait(part)
        else:
            self._fill(parts)
        endpoints = self._sandbox.endpoints(os.getpid())
        write_private(self._sandbox.endpoints_file, json.dumps(endpoints, indent=2))

    def _fill(self, parts: list[Part]) -> None:
        kestra, *others = parts
        for database in others[:1]:
            self._wait(database)
        self._run(self._sandbox.migrate())
        for part in others[1:]:
            self._wait(part)
        self._run(self._sandbox.seed())
        desk = self._sandbox.desk()
        self._screen.begin(desk.name)
        desk.start()
        self._running.append(desk)
        self._wait(kestra)
        self._run(self._sandbox.deploy(), tries=_DEPLOY_TRIES)
        self._wait(desk)

    def watch(self, say: Callable[[str], None]) -> None:
        """Until `stopping` is set: restarts what dies; raises PartFailed when it keeps dying."""
        while not self._stopping.wait(_WATCH_SECONDS):
            for part in self._running:
                if part.ended() is not None:
                    self._restart(part, say)

    def stop(self) -> None:
        """Stops everything, the desk first and the database last."""
        self._sandbox.endpoints_file.unlink(missing_ok=True)
        database = [part for part in self._running if part.name == "Postgres"]
        before = [part for part in reversed(self._running) if part not in database]
        for group in (before, database):
            for part in group:
                part.ask_to_stop()
            deadline = time.monotonic() + _STOP_SECONDS
            for part in group:
                part.wait_stopped(max(0.0, deadline - time.monotonic()))

    def _wait(self, part: Part) -> None:
        part.wait_ready(lambda line: self._told(part.name, line))
        self._screen.done(part.name)

    def _run(self, program: Program, tries: int = 1) -> None:
        """Runs a command to its end; one that may be repeated gets `tries`."""
        self._screen.begin(program.name)
        for left in reversed(range(tries)):
            try:
                run_to_end(program, lambda line: self._told(program.name, line))
                break
            except PartFailed as failed:
                if not left:
                    raise
                self._told(program.name, f"tried again: {failed}")
        self._screen.done(program.name, "done")

    def _told(self, name: str, line: str) -> None:
        self._heed_stopping(line)
        self._screen.tell(name, line)

    def _heed_stopping(self, _line: str) -> None:
        """A part may take minutes; Ctrl-C does not wait for it."""
        if self._stopping.is_set():
            raise KeyboardInterrupt

    def _restart(self, part: Part, say: Callable[[str], None]) -> None:
        failure = part.program.failure(f"ended with exit code {part.ended()}")
        quick = part.seconds < _QUICK_DEATH_SECONDS
        self._quick_deaths[part.name] = self._quick_deaths.get(part.name, 0) + 1 if quick else 1
        if self._quick_deaths[part.name] > _QUICK_DEATHS_ALLOWED:
            raise PartFailed(f"{failure} It keeps ending, so the sandbox stops.")
        say(f"{failure} It is started again.")
        part.start()
        try:
            part.wait_ready(self._heed_stopping)
        except PartFailed:
            if part.ended() is None:
                raise
            return  # the next look counts this death too
        say(f"{part.name} is back after {part.seconds:.1f} s.")
