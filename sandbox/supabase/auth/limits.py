"""How often one address may ask."""

import time
from collections.abc import Callable
from threading import Lock

from sandbox.supabase.auth.errors import Refusal


class Limit:
    """`most` requests at once per address, refilled evenly over `window` seconds."""

    def __init__(self, most: int, window: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._per_second = most / window
        self._clock = clock
        self._left: dict[str, tuple[float, float]] = {}
        self._lock = Lock()

    def count(self, address: str) -> None:
        """Counts a request; raises Refusal 429 when it was one too many."""
        now = self._clock()
        with self._lock:
            left = self._left_at(address, now)
            if left < 1:
                raise Refusal(429, "over_request_rate_limit", "Request rate limit reached")
            self._left[address] = (left - 1, now)
            self._forget_full(now)

    def _left_at(self, address: str, now: float) -> float:
        left, counted_at = self._left.get(address, (float(self._most), now))
        return min(float(self._most), left + (now - counted_at) * self._per_second)

    def _forget_full(self, now: float) -> None:
        """Addresses that have been quiet long enough are as good as new ones."""
        for address in [each for each in self._left if self._left_at(each, now) >= self._most]:
            del self._left[address]
