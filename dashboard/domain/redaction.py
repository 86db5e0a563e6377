"""What was taken out of an incident before the model saw it: kinds and numbers, never the values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Kinds are those of the flow's script, certain ones first; (one, many).
WORDS = {
    "private_key": ("private key", "private keys"),
    "jwt": ("signed token", "signed tokens"),
    "aws_key": ("AWS key", "AWS keys"),
    "api_key": ("API key", "API keys"),
    "bearer_token": ("bearer token", "bearer tokens"),
    "password": ("password or secret", "passwords or secrets"),
    "cookie": ("cookie", "cookies"),
    "email": ("e-mail address", "e-mail addresses"),
    "credit_card": ("card number", "card numbers"),
    "iban": ("IBAN", "IBANs"),
    "ssn": ("social security number", "social security numbers"),
    "phone": ("phone number", "phone numbers"),
    "ipv6": ("IPv6 address", "IPv6 addresses"),
    "ipv4": ("IP address", "IP addresses"),
}


def counts(redactions: Mapping[str, Any]) -> dict[str, int]:
    """Numbers by kind; whatever is no number above zero is left out."""
    return {
        kind: count
        for kind, count in redactions.items()
        if isinstance(count, int) and not isinstance(count, bool) and count > 0
    }


def total(redactions: Mapping[str, Any]) -> int:
    """How many values were taken out."""
    return sum(counts(redactions).values())


def kinds(redactions: Mapping[str, Any]) -> list[str]:
    """`2 e-mail addresses`, `1 API key`, in a fixed order; a kind unknown here keeps its own name."""
    found = counts(redactions)
    order = [kind for kind in WORDS if kind in found] + sorted(set(found) - set(WORDS))
    return [f"{found[kind]} {_word(kind, found[kind])}" for kind in order]


def _word(kind: str, count: int) -> str:
    one, many = WORDS.get(kind, (kind.replace("_", " "),) * 2)
    return one if count == 1 else many
