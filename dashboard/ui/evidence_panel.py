"""The evidence beside a document: each fact under its number, and the way back to where it is named."""

from __future__ import annotations

import streamlit as st

from dashboard.domain.document import Document
from dashboard.domain.evidence import Evidence
from dashboard.ui.evidence import fact_text


def render_evidence_beside(document: Document, chosen: int | None) -> None:
    """All facts; `chosen` (from the address) stands first, in a frame. Facts nobody names are folded."""
    st.subheader("Evidence", anchor="evidence")
    if not document.evidence:
        st.caption("No evidence was recorded.")
        return
    named = [item for item in document.evidence if document.cited_in(item.n) or item.n == chosen]
    for item in sorted(named, key=lambda one: one.n != chosen):
        with st.container(border=item.n == chosen, gap=None):
            if item.n == chosen:
                st.markdown(":blue-badge[:material/link: linked]")
            _render_fact(document, item)
    others = [item for item in document.evidence if item not in named]
    if others:
        with st.expander(f"{len(others)} that no sentence names", icon=":material/unfold_more:"):
            for item in others:
                _render_fact(document, item)
    if chosen is not None and chosen not in document.known:
        st.caption(f"There is no evidence with the number {chosen}.")


def _render_fact(document: Document, item: Evidence) -> None:
    # A small heading: its words make the anchor that citations lead to.
    st.markdown(f"###### Evidence {item.n}")
    back = ", ".join(f"[{part.title}](#{part.section.value})" for part in document.cited_in(item.n))
    st.markdown(fact_text(item) + (f"  \n:small[Named in {back}]" if back else ""))
