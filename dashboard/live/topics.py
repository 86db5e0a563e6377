"""What one can listen to: an organization, or one execution."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """What a topic is about."""

    ORGANIZATION = "organization"  # anything that changed in its rows; the id is the organization's
    EXECUTION = "execution"  # an event of the engine; the id is Kestra's
    LOG = "log"  # a line of an execution's log; the id is that execution's


class Topic(NamedTuple):
    """Written `kind:id`, in addresses and on the board."""

    kind: Kind
    id: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"


_WRITTEN = re.compile(r"(organization|execution|log):([A-Za-z0-9_-]{1,100})")


def parse(text: str) -> Topic:
    """The topic that a text names. Raises ValueError."""
    found = _WRITTEN.fullmatch(text)
    if found is None:
        raise ValueError("That is no topic.")
    return Topic(Kind(found[1]), found[2])
