"""The severities as a filter of a list, kept in the address."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import streamlit as st

from dashboard.domain.severity import Severity

_GRAVEST_FIRST = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW, Severity.UNKNOWN)


def render_severity_pills(
    on_change: Callable[[], None], label: Literal["visible", "collapsed"] = "visible"
) -> tuple[Severity, ...]:
    """Draw the field; answer which are asked for, none meaning all."""
    chosen = st.pills(
        "Severity",
        _GRAVEST_FIRST,
        selection_mode="multi",
        key="severity",
        bind="query-params",
        format_func=lambda level: level.value,
        label_visibility=label,
        on_change=on_change,
    )
    return tuple(chosen)
