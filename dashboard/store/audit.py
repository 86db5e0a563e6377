"""The audit log: its chain for verification, its entries for people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from supabase import Client

from dashboard.domain.audit import Chained
from dashboard.domain.shape import Shape
from dashboard.store.connection import call, rows
from dashboard.store.reading import all_understood, understood

_CHAIN_PAGE = 1_000
PAGE = 50
_PIECE = 500

#: The chain of what concerns the installation and no organization.
INSTALLATION = "00000000-0000-0000-0000-000000000000"


class Head(Shape):
    """The last place of a chain; `unchained` are ids of entries that no chain holds (at most 20)."""

    organization_id: str
    position: int
    hash: str
    at: datetime
    unchained: tuple[int, ...] = ()


class Chain(Shape):
    """Whose chain it is; `slug` as the command line names organizations."""

    organization_id: str
    slug: str


class Entry(Shape):
    """One entry as people read it. `actor_id` is None for flow, worker and set-up."""

    id: int
    at: datetime
    actor_id: str | None
    actor_name: str
    action: str
    subject_kind: str
    subject_id: str
    detail: dict[str, Any]


def list_chains(service: Client) -> tuple[Chain, ...]:
    """The installation's chain and that of every organization."""
    installation = Chain(organization_id=INSTALLATION, slug="(installation)")
    found = rows(service.table("organizations").select("organization_id:id,slug").order("slug"))
    return (installation, *all_understood(Chain, found))


def read_chain(client: Client, organization_id: str) -> Iterator[Chained]:
    """Every place of a chain in order, fetched page by page."""
    after = 0
    while page := call(
        client,
        "audit_entries",
        {"organization_id": _named(organization_id), "after_position": after, "most": _CHAIN_PAGE},
    ):
        yield from all_understood(Chained, page)
        after = page[-1]["position"]


def get_head(client: Client, organization_id: str) -> Head:
    """The last place and hash of a chain, to be kept elsewhere."""
    return understood(Head, call(client, "audit_head", {"organization_id": _named(organization_id)}))


def note_seen(user: Client, approval_id: str, content_hash: str) -> None:
    """Say that the person saw this version of a proposal. Raises Conflict if it is another one now."""
    call(user, "note_seen", {"approval_id": approval_id, "content_hash": content_hash})


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries: `kind` is the first word of actions; `actor` and `subject` are exact; empty is any."""

    kind: str = ""
    actor: str = ""
    subject: str = ""
    since: datetime | None = None


def list_entries(
    user: Client, wanted: Wanted, page: int = 1, size: int = PAGE
) -> tuple[tuple[Entry, ...], bool]:
    """Entries of the person's organization, newest first, and whether there are more."""
    query = user.table("audit_log").select("id,at,actor_id,actor_name,action,subject_kind,subject_id,detail")
    if wanted.kind:
        query = query.like("action", f"{wanted.kind}.%")
    if wanted.actor:
        query = query.eq("actor_name", wanted.actor)
    if wanted.subject:
        query = query.eq("subject_id", wanted.subject)
    if wanted.since:
        query = query.gte("at", wanted.since.isoformat())
    skip = (page - 1) * size
    found = rows(query.order("at", desc=True).order("id", desc=True).range(skip, skip + size))
    return all_understood(Entry, found[:size]), len(found) > size


def read_entries(user: Client, wanted: Wanted, most: int = 10_000) -> Iterator[Entry]:
    """The same one after the other, fetched in pieces that any Supabase answers."""
    for page in range(1, most // _PIECE + 1):
        entries, has_more = list_entries(user, wanted, page, _PIECE)
        yield from entries
        if not has_more:
            return


def _named(organization_id: str) -> str | None:
    return None if organization_id == INSTALLATION else organization_id
