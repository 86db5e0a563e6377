"""Setting an organization up: accounts, people, services, catalogue, history. With the service role."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from supabase import Client

from dashboard.errors import Conflict
from dashboard.store.connection import call, first, rows
from dashboard.store.refusals import translated

_PAGE = 200


def ensure_row(
    client: Client, table: str, key: Mapping[str, Any], values: Mapping[str, Any]
) -> dict[str, Any]:
    """The row with these key columns, inserted or brought to these values; unchanged rows are not written."""
    query = client.table(table).select("*")
    for column, value in key.items():
        query = query.eq(column, value)
    found = first(query.limit(1))
    if found is None:
        return rows(client.table(table).insert({**key, **values}))[0]
    if all(found.get(column) == value for column, value in values.items()):
        return found
    return rows(client.table(table).update(dict(values)).eq(_identity(table), found[_identity(table)]))[0]


def ensure_action(client: Client, key: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """As `ensure_row` for the catalogue; a change raises the version, which proposals name."""
    query = client.table("actions").select("*").eq("service_id", key["service_id"]).eq("key", key["key"])
    found = first(query.limit(1))
    if found is None or all(found.get(column) == value for column, value in values.items()):
        return ensure_row(client, "actions", key, values)
    return ensure_row(client, "actions", key, {**values, "version": found["version"] + 1})


def has_default_organization(client: Client) -> bool:
    """Whether some organization already takes the webhooks that name none."""
    return bool(rows(client.table("organizations").select("id").eq("is_default", True).limit(1)))


def ensure_account(client: Client, email: str, password: str) -> str:
    """An account of this address with this password at Supabase Auth; its user id."""
    try:
        with translated():
            created = client.auth.admin.create_user(
                {"email": email, "password": password, "email_confirm": True}
            )
        return created.user.id
    except Conflict:
        user_id = _find_account(client, email)
        if user_id is None:
            raise
        with translated():
            client.auth.admin.update_user_by_id(user_id, {"password": password})
        return user_id


def _find_account(client: Client, email: str) -> str | None:
    page = 1
    while True:
        with translated():
            users = client.auth.admin.list_users(page=page, per_page=_PAGE)
        for user in users:
            if (user.email or "").lower() == email.lower():
                return user.id
        if len(users) < _PAGE:
            return None
        page += 1


def import_incident(client: Client, payload: Mapping[str, Any]) -> str:
    """A finished incident of the past with its analysis, once per external id; the incident's id."""
    return str(call(client, "import_incident", {"payload": dict(payload)})["incident_id"])


def _identity(table: str) -> str:
    return "user_id" if table == "profiles" else "id"
