"""People and their organization, as the signed-in person sees them."""

from __future__ import annotations

from enum import StrEnum

from supabase import Client

from dashboard.domain.shape import Shape
from dashboard.store.connection import first
from dashboard.store.reading import understood


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


class Person(Shape):
    """A row of `profiles` with the name of its organization."""

    user_id: str
    organization_id: str
    organization_name: str = ""
    role: Role
    display_name: str
    email: str
    active: bool = True


def find_person(user: Client, user_id: str) -> Person | None:
    """The person of that id, or None when this caller may not see one."""
    row = first(user.table("profiles").select("*,organizations(name)").eq("user_id", user_id).limit(1))
    if row is None:
        return None
    organization = row.pop("organizations", None) or {}
    return understood(Person, row | {"organization_name": organization.get("name", "")})
