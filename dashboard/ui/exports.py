"""The export menu: files that are made when they are asked for."""

from __future__ import annotations

from functools import partial

import streamlit as st

from dashboard.domain.document import Document
from dashboard.export.files import FORMATS, file_name


def render_exports(document: Document) -> None:
    """One button a format; each carries the version that is on the screen."""
    with st.popover("Export", icon=":material/download:", key="export"):
        which = f"version {document.version}" if document.version else "the model's text"
        st.caption(f"The whole document, {which}, with evidence and history.")
        for kind in FORMATS:
            st.download_button(
                kind.name,
                data=partial(kind.make, document),
                file_name=file_name(document, kind.extension),
                mime=kind.mime,
                key=f"export_{kind.extension}",
                on_click="ignore",
                width="stretch",
            )
