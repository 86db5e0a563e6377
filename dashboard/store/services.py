"""Services: what incidents happen to, and the rules that go with each."""

from __future__ import annotations

from supabase import Client

from dashboard.domain.action import CatalogueAction
from dashboard.domain.shape import Shape, Texts
from dashboard.store.connection import first, rows
from dashboard.store.reading import all_understood, understood


class Service(Shape):
    """A row of `services`."""

    id: str
    name: str
    owner: str
    tier: int = 2
    description: str = ""
    runbook_url: str | None = None
    auto_remediate: bool = False
    approval_role: str = "approver"
    approver_ids: Texts = ()
    approvals_required: int = 1
    minutes_to_decide: int = 60


def list_services(user: Client) -> tuple[Service, ...]:
    """The services of the organization by name."""
    query = user.table("services").select("*").order("name")
    return all_understood(Service, rows(query))


def find_service(user: Client, service_id: str | None) -> Service | None:
    """One service; None for one that is not known here."""
    if service_id is None:
        return None
    row = first(user.table("services").select("*").eq("id", service_id).limit(1))
    return None if row is None else understood(Service, row)


def list_catalogue(user: Client, service_id: str | None) -> tuple[CatalogueAction, ...]:
    """What may be proposed for a service now, by title; nothing for one that is not known here."""
    if service_id is None:
        return ()
    query = user.table("actions").select("*").eq("service_id", service_id).eq("active", True).order("title")
    return all_understood(CatalogueAction, rows(query))
