"""Incidents to try the desk with, one for each way through the flow."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dashboard.domain.severity import Severity


@dataclass(frozen=True, slots=True)
class Sample:
    """An incident ready to submit; `shows` says what one can see with it."""

    severity: Severity
    service: str
    title: str
    shows: str
    logs: tuple[str, ...]
    metrics: Mapping[str, float] = field(default_factory=dict)
    context: Mapping[str, str] = field(default_factory=dict)

    def to_payload(self) -> dict[str, Any]:
        """The payload under an id that was never used; filed separately, so that each press is an own run."""
        return {
            "id": f"INC-{self.severity}-{secrets.token_hex(3).upper()}",
            "service": self.service,
            "severity": self.severity.value,
            "title": self.title,
            "logs": list(self.logs),
            "metrics": dict(self.metrics),
            "context": dict(self.context),
            "file_separately": True,
        }


SAMPLES = (
    Sample(
        Severity.LOW,
        "report-worker",
        "Nightly report queue is growing",
        "The flow may act by itself: report-worker allows it, and a restart is low risk.",
        (
            "WARN queue reports depth=412 growing",
            "ERROR worker-3 not responding: no heartbeat for 300 s",
            "WARN queue reports depth=455 growing",
            "ERROR worker-3 not responding: no heartbeat for 360 s",
        ),
        {"queue_depth": 455, "error_rate": 0.02},
        {"host": "report-worker-3", "region": "eu-central"},
    ),
    Sample(
        Severity.MEDIUM,
        "payment-api",
        "Payments time out at the database pool",
        "The flow stops and asks an approver; sign in as somebody else to decide.",
        (
            "ERROR Connection timeout: pool exhausted after 30000 ms",
            "ERROR Connection timeout: pool exhausted after 30000 ms",
            "WARN retrying charge (attempt 2 of 3)",
            "ERROR POST /charges 503 in 30012 ms",
            "ERROR Connection timeout: pool exhausted after 30001 ms",
        ),
        {"error_rate": 0.18, "latency_p95_ms": 30000, "pool_in_use": 50},
        {"host": "payment-api-2", "version": "2026.11.3"},
    ),
    Sample(
        Severity.HIGH,
        "checkout-web",
        "Checkout answers with errors after the release",
        "The flow escalates to people and carries nothing out.",
        (
            "ERROR TypeError: cart.total is undefined at checkout.js:114",
            "ERROR TypeError: cart.total is undefined at checkout.js:114",
            "ERROR GET /checkout 500 in 41 ms",
            "INFO release 2026.11.24-1 is live",
        ),
        {"error_rate": 0.45, "orders_per_minute": 3},
        {"host": "checkout-web-1", "release": "2026.11.24-1"},
    ),
    Sample(
        Severity.CRITICAL,
        "payment-api",
        "No payment goes through",
        "The flow escalates at once; analysis and plan are written while people act.",
        (
            "FATAL could not open primary database: connection refused",
            "ERROR POST /charges 500 in 12 ms",
            "ERROR POST /charges 500 in 11 ms",
            "ERROR health check failed 5 times in a row",
        ),
        {"error_rate": 1.0, "payments_per_minute": 0},
        {"host": "all", "region": "eu-central"},
    ),
)
