"""People and their organization, as the signed-in person sees them."""

from __future__ import annotations

from supabase import Client

from dashboard.domain.role import Role as Role
from dashboard.domain.shape import Shape
from dashboard.store.connection import first
from dashboard.store.reading import understood


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


def find_by_email(user: Client, email: str) -> Person | None:
    """The person of that address in the caller's organization; Auth keeps addresses in small letters."""
    row = first(user.table("profiles").select("*").eq("email", email.strip().lower()).limit(1))
    return None if row is None else understood(Person, row)
