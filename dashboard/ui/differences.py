"""Two texts side by side in one column: what was taken out and what was put in, by sign, colour and word."""

from __future__ import annotations

import streamlit as st

from dashboard.domain.difference import Kind, Line, difference
from dashboard.ui.text import clean, escape_line

_SIGNS = {
    Kind.SAME: ":gray[\u00a0]",
    Kind.REMOVED: ":red-badge[:material/remove: out]",
    Kind.ADDED: ":green-badge[:material/add: in]",
}
_GROUNDS = {Kind.REMOVED: "red-background", Kind.ADDED: "green-background"}


def render_difference(before: str, after: str) -> bool:
    """Draw what differs; False where nothing does."""
    lines = difference(clean(before), clean(after))
    if not lines:
        st.caption("Nothing differs.")
        return False
    st.markdown("  \n".join(_line(one) for one in lines if one.text.strip() or one.kind is not Kind.SAME))
    return True


def _line(one: Line) -> str:
    ground = _GROUNDS.get(one.kind)
    parts = []
    for piece in one.pieces:
        text = escape_line(piece.text)
        is_marked = ground and piece.changed and piece.text.strip()
        parts.append(f":{ground}[{text}]" if is_marked else text)
    return f"{_SIGNS[one.kind]} {''.join(parts) or ':gray[empty line]'}"
