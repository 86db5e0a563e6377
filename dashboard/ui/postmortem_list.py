"""Postmortems in a list: the fields that narrow it, each in the address, and one card a document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import streamlit as st

from dashboard.domain.postmortem import PostmortemStatus
from dashboard.routes import POSTMORTEM
from dashboard.store.postmortems import FoundPostmortem, PostmortemPage
from dashboard.ui.chips import line, postmortem_chip, severity_chip
from dashboard.ui.highlights import highlighted
from dashboard.ui.links import render_link
from dashboard.ui.paging import to_first_page
from dashboard.ui.severity_pills import render_severity_pills
from dashboard.ui.text import code, escape
from dashboard.ui.times import with_age


class PostmortemFilters(NamedTuple):
    """What to look for; empty means everything."""

    search: str = ""
    services: tuple[str, ...] = ()
    severities: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()

    @property
    def is_narrow(self) -> bool:
        return self != PostmortemFilters()


def render_postmortem_filters(services: Sequence[str]) -> PostmortemFilters:
    """Draw the fields and answer what they ask for. Every change leads back to the first page."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        search = st.text_input(
            "Search the full text",
            key="q",
            bind="query-params",
            placeholder='pool exhausted, "exact words", -without',
            icon=":material/search:",
            help='All words must occur, in any form. "Quotes" keep words together, `or` allows either, '
            "a minus in front leaves documents out.",
            on_change=to_first_page,
        )
        with st.popover("More filters", icon=":material/filter_list:"):
            service = st.multiselect(
                "Service", services, key="service", bind="query-params", on_change=to_first_page
            )
            severities = render_severity_pills(to_first_page)
    statuses = st.pills(
        "Status",
        list(PostmortemStatus),
        selection_mode="multi",
        key="status",
        bind="query-params",
        format_func=lambda status: postmortem_chip(status).word,
        label_visibility="collapsed",
        on_change=to_first_page,
    )
    return PostmortemFilters((search or "").strip(), tuple(service), severities, tuple(statuses))


def standing(counts: Mapping[PostmortemStatus, int], most: int) -> str:
    """How many there are of each status, in one sentence."""
    words = (
        (PostmortemStatus.IN_REVIEW, "in review"),
        (PostmortemStatus.DRAFT, "draft"),
        (PostmortemStatus.PUBLISHED, "published"),
    )
    parts = [f"{_counted(counts[status], most)} {word}" for status, word in words if counts.get(status)]
    return f"{', '.join(parts)}." if parts else ""


def _counted(count: int, most: int) -> str:
    return f"more than {most:,}" if count >= most else f"{count}"


def count_words(page: PostmortemPage, filters: PostmortemFilters) -> str:
    """`1 document`, `23 documents`, `more than 1,000 documents`."""
    total = page.total(filters.statuses)
    return "1 document" if total == 1 else f"{_counted(total, page.most)} documents"


def render_found(found: FoundPostmortem, now: datetime) -> None:
    """A document, with the words that were found."""
    with st.container(border=True, gap="xsmall"):
        chips = line(
            postmortem_chip(found.status, by_people=found.version > 0), severity_chip(found.severity)
        )
        st.markdown(f"{chips} {escape(found.service)} {code(found.external_id)}")
        title = highlighted(found.marked_title) if found.marked_title else escape(found.title)
        # A link of Streamlit is cut off where it does not fit: the title is text, and the link is short.
        st.markdown(f"**{title}**")
        if found.marked:
            st.markdown(highlighted(found.marked))
        elif found.excerpt:
            st.markdown(escape(found.excerpt))
        parts = [f"Written {with_age(found.written_at, now)}"]
        if found.version:
            parts.append(f"version {found.version}, changed {with_age(found.updated_at, now)}")
        if found.published_version and found.status is not PostmortemStatus.PUBLISHED:
            parts.append(f"version {found.published_version} is published")
        st.caption(", ".join(parts) + ".")
        render_link(POSTMORTEM, f"Read {found.external_id}", id=found.incident_id)
