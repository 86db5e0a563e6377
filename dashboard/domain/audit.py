"""The audit log's hash chain, computed here anew from the columns.

The rule is that of migration `audit_chain`: each hash is SHA-256 over the hash before it and the
entry's columns as netstrings. Nothing the database says about its own hashes is believed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dashboard.domain.shape import Shape

START = bytes(32)


class Chained(Shape):
    """One entry at its place, every column as the text that was hashed.

    `entry_id` is what the chain points at; `id` and what follows are the entry itself, None where it is gone.
    """

    position: int
    hash: str
    entry_id: int
    id: int | None
    organization_id: str | None
    at: str | None
    actor_id: str | None
    actor_name: str | None
    action: str | None
    subject_kind: str | None
    subject_id: str | None
    detail: str | None

    @property
    def is_there(self) -> bool:
        """False where the chain points at an entry that was removed."""
        return self.id is not None

    def hash_after(self, previous: bytes) -> bytes:
        """What the hash at this place must be, 32 bytes."""
        columns = (
            str(self.position),
            str(self.id),
            self.organization_id,
            self.at,
            self.actor_id,
            self.actor_name,
            self.action,
            self.subject_kind,
            self.subject_id,
            self.detail,
        )
        return hashlib.sha256(previous + b"".join(map(netstring, columns))).digest()


@dataclass(frozen=True, slots=True)
class Finding:
    """Something is wrong at a place of the chain."""

    position: int
    problem: str


@dataclass(frozen=True, slots=True)
class Verified:
    """What was read: the last place and its hash (hex), and everything that is wrong."""

    position: int
    hash: str
    findings: tuple[Finding, ...]


def netstring(value: str | None) -> bytes:
    """The value behind its length in bytes; a hyphen for None."""
    if value is None:
        return b"-"
    encoded = value.encode()
    return str(len(encoded)).encode() + b":" + encoded


def verify(chain: Iterable[Chained], kept: Mapping[int, str] | None = None) -> Verified:
    """Read a chain from its first place; `kept` are hashes (hex) by place that were exported earlier.

    After a wrong hash the reading goes on from the hash that stands there: one change is one finding.
    """
    owed = dict(kept or {})
    findings: list[Finding] = []
    previous, position = START, 0
    for entry in chain:
        if entry.position != position + 1:
            findings.append(
                Finding(entry.position, f"places {position + 1} to {entry.position - 1} are gone")
            )
        elif not entry.is_there:
            findings.append(Finding(entry.position, "the entry is gone"))
        elif entry.hash_after(previous).hex() != entry.hash:
            findings.append(Finding(entry.position, "the entry is not the one that was written here"))
        if owed.pop(entry.position, entry.hash) != entry.hash:
            findings.append(Finding(entry.position, "the hash is not the one that was kept"))
        previous, position = bytes.fromhex(entry.hash), entry.position
    findings += [
        Finding(place, "the chain ends before the head that was kept") for place in sorted(owed) if place > 0
    ]
    return Verified(position, previous.hex(), tuple(findings))
