"""Sentences with the numbers of their evidence, and the panel that says what the numbers are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import streamlit as st

from dashboard.domain.evidence import Evidence, EvidenceKind, Sentence
from dashboard.ui.markdown import safe_markdown
from dashboard.ui.text import code, escape
from dashboard.ui.times import absolute

_KINDS = {
    EvidenceKind.LOG: ("log line", ":material/notes:"),
    EvidenceKind.CLUSTER: ("similar log lines", ":material/stacks:"),
    EvidenceKind.METRIC: ("metric", ":material/monitoring:"),
    EvidenceKind.ALERT: ("report", ":material/notifications:"),
    EvidenceKind.HISTORY: ("earlier incident", ":material/history:"),
    EvidenceKind.EVENT: ("event", ":material/event:"),
    EvidenceKind.DECISION: ("decision", ":material/how_to_reg:"),
    EvidenceKind.ACTION: ("action", ":material/play_circle:"),
}
_SHOWN_AT_ONCE = 12


def cited(text: str, numbers: Sequence[int], known: Iterable[int]) -> str:
    """A statement as Markdown with its numbers; one that rests on nothing says so."""
    known = set(known)
    sound = [number for number in numbers if number in known]
    mark = " ".join(f":blue-badge[{number}]" for number in sound) or ":orange-badge[no evidence]"
    return f"{safe_markdown(text)} {mark}"


def render_statement(title: str, statement: Sentence, evidence: Sequence[Evidence], *, key: str) -> None:
    """A statement under its title; each of its numbers opens the fact behind it."""
    st.markdown(f"**{title}**  \n{safe_markdown(statement.text)}")
    items = {item.n: item for item in evidence}
    sound = [number for number in dict.fromkeys(statement.evidence) if number in items]
    if not sound:
        st.markdown(":orange-badge[:material/help: no evidence]")
        return
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="center", key=f"facts_{key}"):
        st.caption("rests on", width="content")
        for number in sound:
            with st.popover(str(number), type="tertiary", help="Show this fact", key=f"fact_{key}_{number}"):
                _render_item(items[number])


def render_evidence(evidence: Sequence[Evidence], *, numbers: Iterable[int] | None = None) -> None:
    """The facts by number; with `numbers` only those."""
    wanted = None if numbers is None else set(numbers)
    chosen = [item for item in evidence if wanted is None or item.n in wanted]
    if not chosen:
        st.caption("No evidence was recorded.")
        return
    for item in chosen[:_SHOWN_AT_ONCE]:
        _render_item(item)
    if len(chosen) > _SHOWN_AT_ONCE:
        with st.expander(f"{len(chosen) - _SHOWN_AT_ONCE} more"):
            for item in chosen[_SHOWN_AT_ONCE:]:
                _render_item(item)


def render_evidence_panel(evidence: Sequence[Evidence]) -> None:
    """All facts by number, folded."""
    if evidence:
        with st.expander(f"Evidence ({len(evidence)})", icon=":material/fact_check:", key="evidence"):
            render_evidence(evidence)


def _render_item(item: Evidence) -> None:
    st.markdown(f":blue-badge[{item.n}] {fact_text(item)}")


def fact_text(item: Evidence) -> str:
    """A fact as Markdown, with where and when it was read."""
    word, icon = _KINDS[item.kind]
    source = ", ".join(
        part for part in (word, escape(item.source), absolute(item.at) if item.at else "") if part
    )
    body = code(item.text) if item.kind in (EvidenceKind.LOG, EvidenceKind.CLUSTER) else escape(item.text)
    return f"{body}  \n:small[:gray[{icon} {source}]]"
