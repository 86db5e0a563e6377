"""What this process follows at Kestra, shared by everybody who looks."""

from __future__ import annotations

from dashboard.kestra_api.observation import LogSnapshot, Snapshot
from dashboard.live.following import followers


def watch(kestra_execution_id: str) -> Snapshot:
    """The newest observation. Only for ids that the viewer's own token has just read."""
    return followers().watch(kestra_execution_id, wait_seconds=1.5)


def logs(kestra_execution_id: str) -> LogSnapshot:
    """The log of an execution, under the same condition."""
    return followers().logs(kestra_execution_id, wait_seconds=1.5)
