"""A bad network from a seed: requests come late, never, twice or in drips, and answers get lost."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

# How often, in parts of one: late, never arrives, arrives and its answer does not, arrives twice at the same
# moment, its answer comes in drips.
STORM: Mapping[str, float] = {"delay": 0.15, "drop": 0.08, "lost": 0.08, "twice": 0.10, "drip": 0.06}
LONGEST_DELAY_SECONDS = 0.8
# The flow asks four times; a network that never lets one request through is down, which is another test.
IN_A_ROW = 2


class Trouble(NamedTuple):
    """What one request meets; `share` in [0, 1) says how late it comes, or where it is cut."""

    how: str
    share: float

    @property
    def seconds(self) -> float:
        return LONGEST_DELAY_SECONDS * self.share


class Weather:
    """The plan of one leg: the nth request meets what the seed says. `met` counts by kind."""

    def __init__(self, seed: int, leg: str, often: Mapping[str, float] = STORM) -> None:
        self.leg = leg
        self.met: Counter[str] = Counter()
        self.requests = 0
        self._random = random.Random(f"{seed} {leg}")
        self._often = often
        self._in_a_row: Counter[bytes] = Counter()
        self._lock = threading.Lock()

    def next(self, request: bytes) -> Trouble | None:
        """What the next request meets. The same `request` fails at most IN_A_ROW times in a row."""
        with self._lock:
            self.requests += 1
            what, share = self._random.random(), self._random.random()
            how = self._pick(what)
            if how in ("drop", "lost"):
                self._in_a_row[request] += 1
                if self._in_a_row[request] > IN_A_ROW:
                    how = ""
            if how not in ("drop", "lost"):
                self._in_a_row.pop(request, None)
            if not how:
                return None
            self.met[how] += 1
            return Trouble(how, share)

    def _pick(self, number: float) -> str:
        for how, part in self._often.items():
            number -= part
            if number < 0:
                return how
        return ""

    def __str__(self) -> str:
        met = ", ".join(f"{how} {count}" for how, count in sorted(self.met.items()))
        return f"{self.leg}: {self.requests} requests, {met or 'all well'}"
