"""What runs now: one row per run, where it is, for how long, and whether it works or waits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from dashboard.domain.overview import Running, Starting
from dashboard.domain.steps import step_title
from dashboard.routes import INCIDENT
from dashboard.ui.chips import STARTING, Chip, severity_chip, state_chip
from dashboard.ui.rows import Column, Row, chip, lasting, link, render_rows, text

_COLUMNS = (
    Column("Severity", "chips", "max-content"),
    Column("Incident", "titled", "minmax(12rem, 1fr)"),
    Column("State", "chips", "max-content"),
    Column("Step", "fact", "minmax(8rem, 12rem)"),
    Column("Time", "fact", "minmax(max-content, 7rem)"),
)
_WORKING = Chip("working", "sync", "blue")


def render_running(starting: Sequence[Starting], running: Sequence[Running], now: datetime) -> None:
    """Draw them in the order given; `now` is the database's clock."""
    rows = []
    for start in starting:
        cells = [
            [chip(severity_chip(start.severity))],
            [link(start.title), text(f"{start.service}, {start.external_id}", "quiet wide")],
            [chip(STARTING)],
            [text(f"Last try: {start.last_error}", "quiet")] if start.last_error else [],
            [lasting(start.owed_since)],
        ]
        rows.append(Row(f"start-{start.incident_id}", INCIDENT, cells, {"id": start.incident_id}))
    for run in running:
        cells = [
            [chip(severity_chip(run.severity))],
            [link(run.title), text(f"{run.service}, {run.external_id}", "quiet wide")],
            [chip(_WORKING if run.state == "RUNNING" else state_chip(run.state))],
            [text(step_title(run.step))] if run.step and run.state != "PAUSED" else [],
            [lasting(run.started_at)],
        ]
        rows.append(Row(run.incident_id, INCIDENT, cells, {"id": run.incident_id}))
    render_rows("running", "Running now", _COLUMNS, rows, now)
