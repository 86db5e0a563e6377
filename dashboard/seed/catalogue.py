"""The demo's people, services and what may be done to them."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from typing import Any, NamedTuple

from dashboard.domain.role import Role

ORGANIZATION = {"name": "Demo", "slug": "demo"}
# LOW incidents that come by the guide's webhook may act: the demo shows it.
ORGANIZATION_SETTINGS = {"auto_remediate_direct_webhooks": True}


class Account(NamedTuple):
    email: str
    role: Role
    name: str


ADMIN = Account("ada@demo.example", Role.ADMIN, "Ada Admin")
ACCOUNTS = (
    Account("vera@demo.example", Role.VIEWER, "Vera Viewer"),
    Account("rita@demo.example", Role.RESPONDER, "Rita Responder"),
    Account("ana@demo.example", Role.APPROVER, "Ana Approver"),
    ADMIN,
)

# In the demo's past they took part; nobody signs in as them, their passwords are known to nobody.
COLLEAGUES = (
    Account("omar@demo.example", Role.RESPONDER, "Omar Onduty"),
    Account("mina@demo.example", Role.APPROVER, "Mina Maintainer"),
)
ADDRESSES = {account.email.partition("@")[0]: account.email for account in (*ACCOUNTS, *COLLEAGUES)}
"""Addresses by the names that `history.toml` uses."""

SERVICES: tuple[dict[str, Any], ...] = tuple(
    tomllib.loads(files("dashboard.seed").joinpath("services.toml").read_text(encoding="utf-8"))["services"]
)


def restart_action(service: str, demo_service_url: str) -> dict[str, Any]:
    """The catalogue's restart of one service, as `apply_action` takes it with the service's name."""
    return {
        "key": "restart_service",
        "title": f"Restart {service}",
        "description": (
            "Replaces the running instances one after the other by fresh ones and sets how many there are."
            " Helps when instances hang, leak memory or hold dead connections; does not help when the cause"
            " is in the database, in a dependency or in a release."
        ),
        "parameters": {
            "type": "object",
            "properties": {
                "instances": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": 6,
                    "default": 2,
                    "description": "How many instances run afterwards.",
                }
            },
            "required": ["instances"],
        },
        "request": {
            "method": "POST",
            "url": f"{demo_service_url}/services/{service}/restart",
            "headers": {
                "Content-Type": "application/json",
                "Idempotency-Key": "${idempotency_key}",
                "Authorization": "Bearer ${ACTION_DEMO_TOKEN}",
            },
            "body": {"instances": "${instances}"},
        },
        "verify": {
            "method": "GET",
            "url": f"{demo_service_url}/services/{service}",
            "headers": {},
            "expect": {"status": 200, "json": {"healthy": True, "instances": "${instances}"}},
            "within_seconds": 30,
        },
        "risk": "low",
        "expected_effect": f"{service} answers with fresh instances; its error rate falls within a minute.",
        "rollback": (
            "A restart cannot be undone; restart again with the former number of instances to go back to it."
        ),
    }
