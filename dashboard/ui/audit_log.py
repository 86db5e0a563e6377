"""Entries of the audit log as lines, and as files to take along."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from datetime import datetime

import streamlit as st

from dashboard.routes import APPROVAL, INCIDENT, Route
from dashboard.store.audit import Entry
from dashboard.ui.links import render_link
from dashboard.ui.text import escape
from dashboard.ui.times import absolute, with_age

_COLUMNS = ("id", "at", "actor_id", "actor_name", "action", "subject_kind", "subject_id", "detail")
_PAGES: dict[str, Route] = {"incidents": INCIDENT, "approvals": APPROVAL}
# A spreadsheet takes a cell that begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def render_entries(entries: Sequence[Entry], now: datetime) -> None:
    """One line an entry: when, who, what; the details open on demand."""
    for entry in entries:
        label = f"{with_age(entry.at, now)} **{escape(entry.actor_name)}** {escape(words(entry.action))}"
        with st.expander(label, key=f"audit_{entry.id}"):
            st.caption(f"{absolute(entry.at)}, entry {entry.id}, {escape(entry.subject_kind)}")
            if page := _PAGES.get(entry.subject_kind):
                render_link(page, f"Open this {page.title.lower()}", id=entry.subject_id)
            else:
                st.text(entry.subject_id)
            if entry.detail:
                st.json(entry.detail)


def words(action: str) -> str:
    """`approval.seen` as people say it: seen, approval."""
    kind, _, verb = action.partition(".")
    return f"{verb.replace('_', ' ')} ({kind})" if verb else kind


def as_csv(entries: Iterable[Entry]) -> bytes:
    """A table with a header line, UTF-8; no cell is ever a formula."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(_COLUMNS)
    for entry in entries:
        row = entry.model_dump(mode="json") | {"detail": json.dumps(entry.detail, ensure_ascii=False)}
        writer.writerow([_cell(row[column]) for column in _COLUMNS])
    return out.getvalue().encode()


def as_json(entries: Iterable[Entry]) -> bytes:
    """A list of objects, UTF-8."""
    return json.dumps(
        [entry.model_dump(mode="json") for entry in entries], ensure_ascii=False, indent=1
    ).encode()


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
