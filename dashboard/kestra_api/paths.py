"""Kestra's addresses: one table for what the two lines share, one row per line for what differs.

They are templates: the connection puts its tenant in.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

CONFIGS = "/api/v1/configs"
# Segments are quoted, braces too, so this stands nowhere else.
_TENANT = "{tenant}"
_BASE = f"/api/v1/{_TENANT}"


def of_tenant(path: str, tenant: str) -> str:
    """An address of this table at one tenant; the open source edition has `main` only."""
    return path.replace(_TENANT, quote(tenant, safe=""))


def _path(*segments: str) -> str:
    """Segments come from payloads and address bars, so each is quoted whole."""
    return "/".join((_BASE, *(quote(segment, safe="") for segment in segments)))


def webhook(namespace: str, flow: str, key: str) -> str:
    return _path("executions", "webhook", namespace, flow, key)


def executions(namespace: str, flow: str) -> str:
    return _path("executions", namespace, flow)


def execution(execution_id: str) -> str:
    return _path("executions", execution_id)


def follow(execution_id: str) -> str:
    return _path("executions", execution_id, "follow")


SEARCH = f"{_BASE}/executions/search"


def logs(execution_id: str) -> str:
    return _path("logs", execution_id)


def follow_logs(execution_id: str) -> str:
    return _path("logs", execution_id, "follow")


FLOWS = f"{_BASE}/flows"
VALIDATE = f"{_BASE}/flows/validate"


def flow(namespace: str, flow_id: str) -> str:
    return _path("flows", namespace, flow_id)


KV = f"{_BASE}/kv"


def kv(namespace: str, key: str) -> str:
    return _path("namespaces", namespace, "kv", key)


@dataclass(frozen=True, slots=True)
class Line:
    """What one line of Kestra does in its own way."""

    name: str
    # Segments between the execution's address and the name of the action.
    action_prefix: tuple[str, ...]
    # 1.3 carries task outputs in the execution; 2.0 has them elsewhere, under one of two addresses
    # (the client of 2.0.3 uses the first, the snapshot of July 2026 answers only the second).
    task_output_segments: tuple[tuple[str, ...], ...]
    # 2.0 ignores the old parameters silently, 1.3 has no filters on logs.
    log_level_parameter: str
    log_task_parameter: str

    def action(self, execution_id: str, name: str) -> str:
        """The address of `resume`, `kill` or `restart`."""
        return _path("executions", execution_id, *self.action_prefix, name)

    def task_outputs(self, execution_id: str, task_run_id: str) -> tuple[str, ...]:
        """Addresses to try in order; none where the execution carries its outputs itself."""
        return tuple(_path(*segments, execution_id, task_run_id) for segments in self.task_output_segments)


LINE_1_3 = Line("1.3", (), (), "minLevel", "taskId")
LINE_2_0 = Line(
    "2.0",
    ("actions",),
    (("outputs", "tasks"), ("outputs",)),
    "filters[level][GREATER_THAN_OR_EQUAL_TO]",
    "filters[taskId][EQUALS]",
)


def line_of(version: str) -> Line:
    """The line a version belongs to; a newer major is taken for the newest line known."""
    major = version.partition(".")[0]
    return LINE_1_3 if major in ("0", "1") else LINE_2_0
