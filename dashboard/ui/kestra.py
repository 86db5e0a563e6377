"""What this process follows at Kestra, shared by everybody who looks."""

from __future__ import annotations

from urllib.parse import quote

from dashboard.kestra_api.observation import LogSnapshot, Snapshot
from dashboard.live.following import followers
from dashboard.ui.session import settings
from dashboard.worker.start import FLOW_ID, NAMESPACE


def watch(kestra_execution_id: str) -> Snapshot:
    """The newest observation. Only for ids that the viewer's own token has just read."""
    return followers().watch(kestra_execution_id, wait_seconds=1.5)


def logs(kestra_execution_id: str) -> LogSnapshot:
    """The log of an execution, under the same condition."""
    return followers().logs(kestra_execution_id, wait_seconds=1.5)


def page_of(kestra_execution_id: str) -> str | None:
    """The execution's page in Kestra's own UI; None where no address of it is set."""
    address = settings().kestra_ui_url
    if address is None:
        return None
    base = f"{address if address.endswith('/ui') else f'{address}/ui'}/{settings().kestra_tenant}"
    return f"{base}/executions/{NAMESPACE}/{FLOW_ID}/{quote(kestra_execution_id, safe='')}"
