"""Incidents as rows: how grave, what, how it stands, what its run does, for whom it waits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from dashboard.domain.listing import ListedIncident
from dashboard.domain.steps import step_title
from dashboard.routes import INCIDENT
from dashboard.ui.chips import FOR_YOU, STARTING, severity_chip, state_chip, status_chip
from dashboard.ui.rows import Column, Part, Row, age, chip, link, render_rows, text

_COLUMNS = (
    Column("Severity", "chips", "max-content"),
    Column("Incident", "titled", "minmax(13rem, 1fr)"),
    Column("Status and run", "chips", "max-content"),
    Column("Waits for", "fact", "minmax(6rem, 9rem)"),
    Column("Reported", "fact"),
)


def render_incident_rows(key: str, incidents: Sequence[ListedIncident], now: datetime) -> None:
    """Draw them in the order given; `now` is the database's clock."""
    rows = [Row(listed.id, INCIDENT, _cells(listed, now), {"id": listed.id}) for listed in incidents]
    render_rows(key, "Incidents", _COLUMNS, rows, now)


def _cells(listed: ListedIncident, now: datetime) -> list[list[Part]]:
    about = f"{listed.service}, {listed.external_id}"
    if listed.occurrences > 1:
        about += f", seen {listed.occurrences} times"
    return [
        [chip(severity_chip(listed.severity))],
        [link(listed.title), text(about, "quiet wide")],
        [chip(status_chip(listed.status)), *_run(listed)],
        _waits_for(listed),
        [age(listed.created_at), text(_when(listed.created_at, now), "quiet")],
    ]


def _run(listed: ListedIncident) -> list[Part]:
    if listed.starting_since is not None:
        return [chip(STARTING)]
    if listed.state is None or listed.source == "import":
        return []
    parts = [chip(state_chip(listed.state))]
    if listed.ended_at is None and listed.step and listed.state != "PAUSED":
        parts.append(text(step_title(listed.step), "quiet"))
    return parts


def _waits_for(listed: ListedIncident) -> list[Part]:
    waits = listed.waits_for
    if waits is None:
        return []
    if waits.you:
        return [chip(FOR_YOU), text("to decide" if waits.what == "decision" else "", "quiet")]
    if waits.what == "decision":
        return [text(waits.who or "somebody who may decide")]
    return [text(waits.who)] if waits.who else [text("a person, nobody yet")]


def _when(moment: datetime, now: datetime) -> str:
    return f"{moment:%H:%M} UTC" if moment.date() == now.date() else f"{moment:%Y-%m-%d}"
