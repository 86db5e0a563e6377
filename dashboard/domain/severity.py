"""How bad it is: four levels with an order, and a fifth for what nobody understood."""

from __future__ import annotations

from enum import StrEnum


class Severity(StrEnum):
    """The stored severity; it alone chooses the branch of the flow, never the model's opinion."""

    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"
    CRITICAL = "CRITICAL"
    # An alert said something else. Treated as HIGH, and the incident says so.
    UNKNOWN = "UNKNOWN"

    @property
    def rank(self) -> int:
        """For sorting, low to critical; UNKNOWN stands beside HIGH because it is treated so."""
        return _RANK[self]

    @property
    def consequence(self) -> str:
        """What the flow does with it, in one sentence."""
        return _CONSEQUENCE[self]

    def is_higher_than(self, other: Severity) -> bool:
        return self.rank > other.rank


_RANK = {
    Severity.LOW: 0,
    Severity.MEDIUM: 1,
    Severity.HIGH: 2,
    Severity.UNKNOWN: 2,
    Severity.CRITICAL: 3,
}

_CONSEQUENCE = {
    Severity.LOW: "The flow may act by itself where the service allows it; otherwise it escalates.",
    Severity.MEDIUM: "The flow stops and asks an approver before anything is carried out.",
    Severity.HIGH: "The flow escalates to people and carries nothing out.",
    Severity.CRITICAL: "The flow escalates to people at once and carries nothing out.",
    Severity.UNKNOWN: "The severity was not understood, so the flow treats it as HIGH and escalates.",
}

CHOICES = (Severity.LOW, Severity.MEDIUM, Severity.HIGH, Severity.CRITICAL)
"""What a person can choose, in order."""


def normalise(text: str | None) -> Severity:
    """The severity a text names, whatever its case and blanks; anything else is UNKNOWN."""
    try:
        return Severity((text or "").strip().upper())
    except ValueError:
        return Severity.UNKNOWN
