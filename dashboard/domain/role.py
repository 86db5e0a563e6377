"""What people may do."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """What a person may do; each includes the ones before it."""

    VIEWER = "viewer"
    RESPONDER = "responder"
    APPROVER = "approver"
    ADMIN = "admin"

    def includes(self, other: Role) -> bool:
        """Whether this role may do whatever the other may."""
        order = list(Role)
        return order.index(self) >= order.index(other)
