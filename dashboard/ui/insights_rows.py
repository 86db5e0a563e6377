"""From a number to its rows: links to the lists, with the filters that give just those rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import streamlit as st

from dashboard.domain.clock import to_iso
from dashboard.domain.insights import Insights
from dashboard.routes import APPROVALS, INCIDENTS
from dashboard.ui.links import go_to
from dashboard.ui.text import escape

Query = dict[str, str | Sequence[str]]


class Rows(NamedTuple):
    """The period and the services all numbers of the page are about."""

    since: datetime
    until: datetime
    services: tuple[str, ...]

    @classmethod
    def of(cls, insights: Insights, services: tuple[str, ...]) -> Rows:
        return cls(insights.since, insights.until, services)

    def query(self, **more: str | Sequence[str]) -> Query:
        """The filters of these rows, narrowed by more."""
        query: Query = {"since": to_iso(self.since), "until": to_iso(self.until)}
        if self.services:
            query["service"] = self.services
        return query | {name: value for name, value in more.items() if value}

    def incidents(self, **more: str | Sequence[str]) -> str:
        """The address of the list of these incidents."""
        return INCIDENTS.link(**self.query(**more))

    def approvals(self, **more: str | Sequence[str]) -> str:
        """The address of the list of these approvals."""
        return APPROVALS.link(**self.query(**more))

    def render_incidents(
        self, count: int, words: str, meaning: str | None = None, **more: str | Sequence[str]
    ) -> None:
        """`12 acknowledged`, as a link to those incidents; a zero is no link, there is nothing to see.

        A link does not break over two lines, so the words are few; `meaning` says the rest.
        """
        _render(count, words, meaning, INCIDENTS.file, self.query(**more))

    def render_approvals(
        self, count: int, words: str, meaning: str | None = None, **more: str | Sequence[str]
    ) -> None:
        """`3 rejected`, as a link to those approvals."""
        _render(count, words, meaning, APPROVALS.file, self.query(**more))

    def go_to_incidents(self, **more: str | Sequence[str]) -> None:
        """Leave for the list of these incidents; the script ends here."""
        go_to(INCIDENTS, **self.query(**more))


def number_link(count: int, address: str) -> str:
    """A number in a table as Markdown: a link where there are rows behind it."""
    return f"[{count:,}]({address})" if count else "0"


def _render(count: int, words: str, meaning: str | None, file: str, query: Query) -> None:
    label = f"{count:,} {escape(words)}"
    if count:
        st.page_link(file, label=label, icon=":material/arrow_outward:", help=meaning, query_params=query)
    else:
        st.caption(label)
