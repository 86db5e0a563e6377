"""Things in a list, one row each: dense where there is room, cards on a phone, each a real link.

Streamlit has no such element: its table rows are addressed by position, which is another row after the next
refresh, and its links are cut off where they do not fit. Here a row is opened by its id. Ages and countdowns
go on by themselves, by the server's clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import streamlit as st

from dashboard.routes import Route
from dashboard.ui.chips import Chip
from dashboard.ui.clocks import asset, milliseconds
from dashboard.ui.links import go_to
from dashboard.ui.text import clean
from dashboard.ui.times import absolute

_rows = st.components.v2.component(
    "desk_rows",
    html="""
<div class="frame">
  <div class="table" role="table">
    <div class="group" role="rowgroup"><div class="head" role="row"></div></div>
    <div class="group body" role="rowgroup"></div>
  </div>
</div>
""",
    css=asset("rows.css"),
    js=asset("clock.js") + asset("rows.js"),
)

Part = dict[str, Any]
"""A piece of a cell, as `rows.js` reads it."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column. On a phone chips come first, then the title, then facts with their label before them."""

    label: str
    kind: Literal["chips", "titled", "fact"]
    width: str = "auto"


@dataclass(frozen=True, slots=True)
class Row:
    """A row with a cell per column, and the page it opens; `id` is its own within the list."""

    id: str
    route: Route
    cells: Sequence[Sequence[Part]]
    query: dict[str, str] = field(default_factory=dict)


def chip(shown: Chip) -> Part:
    """A word with its sign and colour."""
    return {"kind": "chip", "text": shown.word, "icon": shown.icon, "color": shown.color}


def link(text: str) -> Part:
    """The text that opens the row; one in each row."""
    return {"kind": "link", "text": _flat(text)}


def text(words: str, look: Literal["", "quiet", "strong", "wide", "quiet wide"] = "") -> Part:
    """A foreign or own text, shown letter by letter."""
    return {"kind": "text", "text": _flat(words), "look": look}


def age(at: datetime, look: Literal["", "quiet"] = "") -> Part:
    """How long ago, going on by itself."""
    return _moment("age", at, look)


def lasting(at: datetime, look: Literal["", "quiet"] = "") -> Part:
    """For how long since then, going on by itself."""
    return _moment("lasting", at, look)


def countdown(at: datetime, look: Literal["", "strong"] = "strong") -> Part:
    """What is left until then, to the second."""
    return _moment("left", at, look)


def render_rows(key: str, label: str, columns: Sequence[Column], rows: Sequence[Row], now: datetime) -> None:
    """Draw the list, and leave for the page of a row that is opened. `now` is the server's clock."""
    opened = _rows(
        key=key,
        data={
            "label": label,
            "now": milliseconds(now),
            "columns": [
                {"label": column.label, "kind": column.kind, "width": column.width} for column in columns
            ],
            "rows": [
                {
                    "id": row.id,
                    "href": row.route.link(**row.query),
                    "cells": [list(cell) for cell in row.cells],
                }
                for row in rows
            ],
        },
        on_open_change=lambda: None,
    ).open
    row = next((row for row in rows if row.id == opened), None)
    if row is not None:
        go_to(row.route, **row.query)


def _moment(kind: str, at: datetime, look: str) -> Part:
    return {"kind": kind, "text": absolute(at), "at": milliseconds(at), "look": look}


def _flat(words: str) -> str:
    return " ".join(clean(words).split())
