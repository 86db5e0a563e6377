"""How one part of the installation is found to be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Health(StrEnum):
    WELL = "well"
    DOUBTFUL = "needs a look"
    ILL = "not well"
    UNCHECKED = "not checked here"


@dataclass(frozen=True, slots=True)
class Finding:
    """One part: how it is and since when, what was found, what was checked, what it means, and what mends it.

    `mend` is a sentence; `command` one to type. Both are empty where all is well, as is what it means.
    """

    part: str
    health: Health
    found: str
    checked: str
    mend: str = ""
    command: str = ""
    means: str = ""
    since: datetime | None = None


def summary(findings: Sequence[Finding]) -> str:
    """All of them in one sentence."""
    ill = [finding.part for finding in findings if finding.health is Health.ILL]
    doubtful = [finding.part for finding in findings if finding.health is Health.DOUBTFUL]
    if ill:
        return f"Not well: {', '.join(dict.fromkeys(ill))}."
    if doubtful:
        return f"Nothing is broken; worth a look: {', '.join(doubtful)}."
    unchecked = sum(finding.health is Health.UNCHECKED for finding in findings)
    well = len(findings) - unchecked
    return f"All is well: {well} of {len(findings)} parts were checked." if unchecked else "All is well."
