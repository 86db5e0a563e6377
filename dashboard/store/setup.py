"""Setting up with the service role: accounts, an organization with its first admin, history.

Everything else about an organization is changed by its admins: `store.administration`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from supabase import Client

from dashboard.domain.shape import Shape
from dashboard.errors import Conflict
from dashboard.store.administration import Added
from dashboard.store.connection import call, first, rows
from dashboard.store.reading import understood
from dashboard.store.refusals import translated

_PAGE = 200


class Organization(Shape):
    """The answer of `create_organization`; `name` is the one it has, `created` whether it is new."""

    organization_id: str
    name: str
    created: bool
    is_default: bool


def create_organization(service: Client, name: str, slug: str, *, default: bool = False) -> Organization:
    """The organization of this slug, made if there is none. Raises InvalidInput."""
    arguments = {"name": name, "slug": slug, "is_default": default}
    return understood(Organization, call(service, "create_organization", arguments))


def find_organization(service: Client, slug: str) -> str | None:
    """The id of the organization of this slug, or None."""
    row = first(service.table("organizations").select("id").eq("slug", slug).limit(1))
    return None if row is None else str(row["id"])


def add_first_admin(service: Client, organization_id: str, user_id: str, name: str) -> Added:
    """Make an account the first admin of an organization. Raises Conflict where there is another one."""
    arguments = {"organization_id": organization_id, "user_id": user_id, "display_name": name}
    return understood(Added, call(service, "add_first_admin", arguments))


def create_account(service: Client, email: str, password: str) -> str | None:
    """A new account at Supabase Auth, its user id; None where the address has one, which stays as it is."""
    try:
        with translated():
            created = service.auth.admin.create_user(
                {"email": email, "password": password, "email_confirm": True}
            )
    except Conflict:
        return None
    return created.user.id


def remove_account(service: Client, user_id: str) -> None:
    """Take an account away that is in no organization."""
    with translated():
        service.auth.admin.delete_user(user_id)


def ensure_account(service: Client, email: str, password: str) -> str:
    """The account of this address, with this password from now on; its user id."""
    user_id = create_account(service, email, password)
    if user_id is None:
        user_id = find_account(service, email)
        if user_id is None:
            raise Conflict(f"Supabase Auth knows {email} and does not show it.")
        with translated():
            service.auth.admin.update_user_by_id(user_id, {"password": password})
    return user_id


def find_account(service: Client, email: str) -> str | None:
    """The user id of the account of this address, or None."""
    page = 1
    while True:
        with translated():
            users = service.auth.admin.list_users(page=page, per_page=_PAGE)
        for user in users:
            if (user.email or "").lower() == email.lower():
                return user.id
        if len(users) < _PAGE:
            return None
        page += 1


def list_imported(service: Client, organization_id: str) -> frozenset[str]:
    """The external ids of an organization's imported incidents."""
    query = service.table("incidents").select("external_id").eq("organization_id", organization_id)
    return frozenset(str(row["external_id"]) for row in rows(query.eq("source", "import").limit(1000)))


def import_incident(service: Client, payload: Mapping[str, Any]) -> str:
    """An incident of the past with all that was found, decided and written, once per external id; its id.

    Raises InvalidInput.
    """
    return str(call(service, "import_incident", {"payload": dict(payload)})["incident_id"])
