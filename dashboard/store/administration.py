"""What an admin changes in their own organization: people, settings, services, catalogue.

Every function raises NotAllowed for anybody but an admin, and InvalidInput for what does not fit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from supabase import Client

from dashboard.domain.role import Role
from dashboard.domain.shape import Shape
from dashboard.store.connection import call
from dashboard.store.reading import understood


class Added(Shape):
    """A person after adding; `created` is False where they were in the organization already."""

    user_id: str
    role: Role
    active: bool
    created: bool


class Changed(Shape):
    """A person after a change; `changed` is False where nothing was different."""

    user_id: str
    role: Role
    active: bool
    changed: bool


class Applied(Shape):
    """A service or an action after applying its description; neither flag: it was so already."""

    created: bool
    changed: bool
    version: int


def require_admin(user: Client) -> None:
    """Raises NotAllowed or Inactive unless this person may administer: asks for a change of nothing."""
    change_organization(user, {})


def add_person(admin: Client, user_id: str, role: Role, name: str) -> Added:
    """Add an account. Raises Conflict (it is in another organization), NotFound (there is none)."""
    arguments = {"user_id": user_id, "role": role.value, "display_name": name}
    return understood(Added, call(admin, "add_person", arguments))


def change_person(
    admin: Client, user_id: str, *, role: Role | None = None, active: bool | None = None
) -> Changed:
    """Change another person's role or switch; None stays. Raises NotFound, NotAllowed for oneself."""
    arguments: dict[str, Any] = {"user_id": user_id}
    if role is not None:
        arguments["role"] = role.value
    if active is not None:
        arguments["active"] = active
    return understood(Changed, call(admin, "change_person", arguments))


def change_organization(admin: Client, settings: Mapping[str, bool]) -> None:
    """Change settings of the organization by name; the others stay."""
    call(admin, "change_organization", {"payload": dict(settings)})


def apply_service(admin: Client, description: Mapping[str, Any]) -> Applied:
    """Make a service as described, by its name; a change raises its version."""
    return understood(Applied, call(admin, "apply_service", {"payload": dict(description)}))


def apply_action(admin: Client, description: Mapping[str, Any]) -> Applied:
    """Make a catalogue action as described, by service and key; a change raises its version."""
    return understood(Applied, call(admin, "apply_action", {"payload": dict(description)}))


class AppliedNotices(Shape):
    """How many rules there are now, and whether any was different before."""

    rules: int
    changed: bool


def apply_notices(admin: Client, rules: Sequence[Mapping[str, Any]]) -> AppliedNotices:
    """Make the whole list of `{event, channel, to}` what the organization wants to be told."""
    return understood(AppliedNotices, call(admin, "apply_notices", {"payload": list(rules)}))
