"""A postmortem on the screen: facts, sections, what was recorded; who wrote what can be told at a glance."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

import streamlit as st

from dashboard.domain.document import Document, DocumentSection
from dashboard.domain.model_text import Statement, moment_words
from dashboard.domain.postmortem import PostmortemStatus
from dashboard.ui.chips import line, postmortem_chip, severity_chip, status_chip
from dashboard.ui.markdown import cite, safe_markdown
from dashboard.ui.text import clean, code, escape
from dashboard.ui.times import absolute, with_age

READING_WIDTH: Final = 720
UNSUPPORTED: Final = ":orange-badge[:material/help: unsupported]"

RECORDED: Final = {
    "recorded": "Timeline",
    "decisions": "Decision and actions",
    "action_items": "Action items",
    "versions": "Versions",
}
"""Anchors and headings of what is no section: it was recorded, or is kept beside the text."""


def render_document_head(document: Document, now: datetime) -> None:
    """What it is about and how far it is."""
    incident = document.incident
    chips = line(
        postmortem_chip(document.status, by_people=document.version > 0),
        severity_chip(incident.severity),
        status_chip(incident.status),
    )
    st.markdown(f"{chips} **{escape(incident.service)}** {code(incident.external_id)}")
    newest = document.versions[0] if document.versions else None
    facts = [f"Reported {with_age(incident.created_at, now)} by {escape(incident.reported_by)}"]
    if newest:
        facts.append(
            f"Version {newest.version}: {escape(newest.by)} {escape(newest.did)} {with_age(newest.at, now)}"
        )
    st.caption("  \n".join(facts))


def render_facts(document: Document) -> None:
    """How bad, and how long each step took."""
    with st.container(horizontal=True, gap="small"):
        for fact in document.facts:
            st.markdown(
                f":small[:gray[{fact.label}]]  \n**{escape(fact.value)}**",
                help=fact.note or None,
                width="content",
            )


def render_contents(document: Document) -> None:
    """The way to each part of the page."""
    parts = [(part.section.value, part.title) for part in document.sections]
    parts[1:1] = [("recorded", RECORDED["recorded"])]
    parts += [(anchor, title) for anchor, title in RECORDED.items() if anchor != "recorded"]
    parts.append(("evidence", "Evidence"))
    st.markdown("**Contents**")
    st.markdown("  \n".join(f":small[[{title}](#{anchor})]" for anchor, title in parts))


def render_section(document: Document, section: DocumentSection, now: datetime) -> None:
    """The text of a section as it stands, below a line that says whose it is."""
    if section.is_missing:
        st.caption("Not written.")
        return
    st.markdown(_whose(document, section, now))
    if section.text is not None:
        st.markdown(safe_markdown(section.text, known=document.known, links=True))
        for sentence in section.unsupported:
            st.caption(f"{UNSUPPORTED} from the model, without evidence: “{escape(sentence)}”")
        return
    numbered = section.section.value == "remediation"
    for number, statement in enumerate(section.statements, 1):
        _render_statement(statement, f"{number}. " if numbered and not statement.heading else "")
    if any(statement.command for statement in section.statements):
        st.caption("Commands are text to read. Nothing on this page runs them.")


def _whose(document: Document, section: DocumentSection, now: datetime) -> str:
    if section.text is not None and section.by and section.at:
        written = f"wrote this {with_age(section.at, now)}."
        return f":blue-badge[:material/person: {escape(section.by)}] :small[:gray[{written}]]"
    # No code span in a badge: its label would end at the first bracket of the name.
    by = f" {escape(document.model)}" if document.model else ""
    words = "wrote this; nobody has changed it."
    if section.by and section.at:
        words = f"wrote this; {escape(section.by)} went back to it {with_age(section.at, now)}."
    return f":violet-badge[:material/smart_toy: model{by}] :small[:gray[{words}]]"


def _render_statement(statement: Statement, number: str) -> None:
    if statement.heading:
        st.markdown(f"**{escape(statement.heading)}**")
    at = f":small[:gray[{escape(moment_words(statement.at))}]]  \n" if statement.at else ""
    mark = cite(statement.evidence) if statement.supported else UNSUPPORTED
    st.markdown(f"{at}{number}{safe_markdown(statement.text)} {mark}")
    if statement.command:
        st.code(clean(statement.command), language=None, wrap_lines=True)


def render_clusters(document: Document) -> None:
    """Similar errors, counted."""
    if document.clusters:
        st.markdown("**Error clusters**")
        st.markdown(
            "\n".join(
                f"- **{cluster.count} times** {code(cluster.label)} "
                f"{cite([number for number in cluster.evidence if number in document.known])}"
                for cluster in document.clusters
            )
        )


def render_timeline(document: Document) -> None:
    """What was recorded, oldest first, in UTC."""
    st.markdown(":gray-badge[:material/history: recorded] :small[:gray[by the desk, oldest first.]]")
    if not document.timeline:
        st.caption("Nothing was recorded.")
    for moment in document.timeline:
        text = f": {escape(moment.text)}" if moment.text else ""
        st.markdown(
            f":small[:gray[{absolute(moment.at)}]]  \n**{escape(moment.who)}** {escape(moment.did)}{text}"
        )


def render_decisions(document: Document) -> None:
    """What was asked for, decided, carried out, and what came of it."""
    if not document.decisions and not document.actions:
        st.caption("Nobody was asked to decide, and nothing was carried out.")
    for decision in document.decisions:
        lines = [f"**{escape(decision.proposed)}**", f"Asked for {absolute(decision.asked_at)}."]
        if decision.at:
            who = escape(decision.by or "Somebody")
            lines.append(f"{who} {decision.status.value} it {absolute(decision.at)}.")
        else:
            lines.append(f"It is {decision.status.value}.")
        if decision.reason:
            lines.append(f"Reason: {escape(decision.reason)}")
        if decision.cause:
            lines.append(f"Cause: {escape(decision.cause)}")
        if decision.outcome:
            lines.append(
                f"Outcome: {outcome_words(decision.outcome)} {escape(decision.outcome_reason or '')}"
            )
        lines.append(f"SHA-256 of what was decided on: {code(decision.content_hash[:12])}")
        st.markdown("  \n".join(lines))
    for action in document.actions:
        ended = f", ended {absolute(action.finished_at)}" if action.finished_at else ""
        words = action_words(action.outcome.value, verified=action.verified)
        st.markdown(f"- **{escape(action.title)}** {words}  \n  begun {absolute(action.begun_at)}{ended}")


_OUTCOMES: Final = {
    "acted": "it was carried out.",
    "failed": "it was tried and did not happen.",
    "unknown": "it may or may not have happened.",
    "not_carried_out": "it was not carried out.",
}


def outcome_words(outcome: str) -> str:
    """What came of a decision."""
    return _OUTCOMES.get(outcome, escape(outcome))


def action_words(outcome: str, *, verified: bool | None) -> str:
    """What came of an action."""
    if outcome == "acted":
        return "was done, and its effect was seen" if verified else "was done, but its effect was not seen"
    return {"failed": "was refused and did not happen", "begun": "was begun; its end is not known"}.get(
        outcome, "may or may not have happened"
    )


def render_standing(
    document: Document, newest: int, published: int | None, go: Callable[[int | None], None]
) -> None:
    """Which version this is, where that is not plain."""
    if document.version != newest:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.info(f"This is version {document.version}; the newest is {newest}.", icon=":material/history:")
            st.button("Show the newest", key="newest", on_click=go, args=(None,))
    elif published and document.status is not PostmortemStatus.PUBLISHED:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.info(
                f"Version {published} is published. What was changed since then is not published yet.",
                icon=":material/edit_note:",
            )
            st.button(f"Show version {published}", key="published", on_click=go, args=(published,))
