"""How long a user is banned, in the notation of Go: "24h", "1h30m", or "none"."""

import re
from datetime import timedelta

from sandbox.supabase.auth.errors import invalid

_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_NUMBER_AND_UNIT = r"(\d{1,18}(?:\.\d{0,18})?)(ns|us|µs|ms|s|m|h)"
_DURATION = re.compile(f"(?:{_NUMBER_AND_UNIT})+", re.ASCII)
# What 64 bits of nanoseconds hold: 292 years.
_MOST_SECONDS = 2**63 / 1e9


def ban_duration(text: str) -> timedelta:
    """How long from now, 0 for "none"; raises Refusal 400 for what is no duration."""
    if text == "none":
        return timedelta(0)
    parts = re.findall(_NUMBER_AND_UNIT, text, re.ASCII) if _DURATION.fullmatch(text) else []
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if not parts or seconds >= _MOST_SECONDS:
        raise invalid('invalid format for ban duration: say "none" or for example "24h"')
    return timedelta(seconds=seconds)
