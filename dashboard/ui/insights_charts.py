"""Incidents and times week by week, drawn, told in words, and as a table whose numbers open their rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import plotly.graph_objects as go
import streamlit as st

from dashboard.domain.clock import duration_words
from dashboard.domain.insights import DEFINITIONS, Week
from dashboard.domain.severity import Severity
from dashboard.ui.insights_rows import Rows, number_link

GRAVEST_FIRST: Final = (
    Severity.CRITICAL,
    Severity.HIGH,
    Severity.UNKNOWN,
    Severity.MEDIUM,
    Severity.LOW,
)
# Colours of Okabe and Ito that stand out on white and on black, each with a pattern for those who see none.
_SEVERITY_STYLES = {
    Severity.CRITICAL: ("#D55E00", ""),
    Severity.HIGH: ("#E69F00", "/"),
    Severity.UNKNOWN: ("#CC79A7", "x"),
    Severity.MEDIUM: ("#009E73", "."),
    Severity.LOW: ("#56B4E9", "\\"),
}
_PIXELS = 300
_CONFIG = {"displayModeBar": False, "scrollZoom": False}
# Seconds that people have words for, as the marks of a logarithmic axis.
_MARKS = (10, 60, 300, 900, 3600, 4 * 3600, 86_400, 3 * 86_400, 7 * 86_400, 30 * 86_400)


def render_weeks(weeks: Sequence[Week], rows: Rows) -> None:
    """Incidents of each week by severity. A bar opens its incidents, and so does a number of the table."""
    st.subheader("Incidents by week", anchor=False, help=DEFINITIONS["Weeks"])
    shown = _severities(weeks)
    event = st.plotly_chart(
        _bars(weeks, shown),
        key="insights_weeks",
        alt=weeks_in_words(weeks),
        config=_CONFIG,
        on_select="rerun",
        selection_mode="points",
    )
    if points := event["selection"]["points"]:
        week, severity = weeks[points[0]["point_index"]], shown[points[0]["curve_number"]]
        rows._replace(since=week.since, until=week.until).go_to_incidents(severity=severity.value)
    with st.expander("By week as a table", icon=":material/table:", key="insights_weeks_table"):
        st.table([_week_row(week, shown, rows) for week in weeks], border="horizontal")


def render_pace(weeks: Sequence[Week]) -> None:
    """The medians of each week."""
    st.subheader("Times by week", anchor=False, help=DEFINITIONS["Median and 9 of 10"])
    if not any(week.acknowledge.count or week.resolve.count for week in weeks):
        st.caption("Nothing was acknowledged or resolved.")
        return
    st.plotly_chart(_lines(weeks), key="insights_pace", alt=pace_in_words(weeks), config=_CONFIG)
    st.caption("Medians of the incidents that were reported in the week; the scale is logarithmic.")


def weeks_in_words(weeks: Sequence[Week]) -> str:
    """The bars in words."""
    told = "; ".join(
        f"{week.week}: {week.count}"
        + "".join(
            f", {week.severities[level]} {level.value}" for level in GRAVEST_FIRST if level in week.severities
        )
        for week in weeks
    )
    return f"Incidents reported in each ISO week by severity. {told}."


def pace_in_words(weeks: Sequence[Week]) -> str:
    """The lines in words."""
    told = "; ".join(
        f"{week.week}: acknowledge {_words(week.acknowledge.median_seconds)},"
        f" resolve {_words(week.resolve.median_seconds)}"
        for week in weeks
    )
    return f"Median time to acknowledge and to resolve by the week of the report. {told}."


def _severities(weeks: Sequence[Week]) -> list[Severity]:
    """The four levels always, so that colours keep their places; the fifth where there is one."""
    there = {level for week in weeks for level in week.severities}
    return [level for level in GRAVEST_FIRST if level is not Severity.UNKNOWN or level in there]


def _week_row(week: Week, severities: Sequence[Severity], rows: Rows) -> dict[str, str]:
    these = rows._replace(since=week.since, until=week.until)
    counts = {
        level.value: number_link(week.severities.get(level, 0), these.incidents(severity=level.value))
        for level in severities
    }
    return {
        "Week": week.week,
        "From (UTC)": f"{week.since:%Y-%m-%d}",
        "All": number_link(week.count, these.incidents()),
        **counts,
        "Acknowledged in": _words(week.acknowledge.median_seconds),
        "Resolved in": _words(week.resolve.median_seconds),
    }


def _words(seconds: float | None) -> str:
    return "none" if seconds is None else duration_words(seconds)


def _bars(weeks: Sequence[Week], severities: Sequence[Severity]) -> go.Figure:
    figure = go.Figure()
    names = [week.week for week in weeks]
    for level in severities:
        color, pattern = _SEVERITY_STYLES[level]
        figure.add_bar(
            x=names,
            y=[week.severities.get(level, 0) for week in weeks],
            name=level.value,
            marker={
                "color": color,
                "pattern": {
                    "shape": pattern,
                    "fillmode": "overlay",
                    "fgcolor": "rgba(0, 0, 0, 0.45)",
                    "size": 7,
                    "solidity": 0.25,
                },
            },
            hovertemplate=f"%{{x}}<br>{level.value}: %{{y}}<extra></extra>",
        )
    figure.update_layout(
        **_layout(),
        barmode="stack",
        # Gravest at the bottom, on the common line, and first in the legend.
        legend_traceorder="normal",
        yaxis={"rangemode": "tozero", "title": {"text": "incidents"}, "tickformat": ",d"},
    )
    return figure


def _lines(weeks: Sequence[Week]) -> go.Figure:
    figure = go.Figure()
    names = [week.week for week in weeks]
    for name, seconds, color, dash, symbol in (
        (
            "to acknowledge",
            [week.acknowledge.median_seconds for week in weeks],
            "#E69F00",
            "dot",
            "circle",
        ),
        ("to resolve", [week.resolve.median_seconds for week in weeks], "#56B4E9", "solid", "square"),
    ):
        figure.add_scatter(
            x=names,
            # A logarithm knows no zero.
            y=[None if value is None else max(value, 1.0) for value in seconds],
            name=name,
            mode="lines+markers",
            connectgaps=False,
            line={"color": color, "dash": dash, "width": 2.5},
            marker={"symbol": symbol, "size": 9},
            text=[_words(value) for value in seconds],
            hovertemplate=f"%{{x}}<br>{name}: %{{text}}<extra></extra>",
        )
    figure.update_layout(
        **_layout(),
        yaxis={
            "type": "log",
            "tickmode": "array",
            "tickvals": list(_MARKS),
            "ticktext": [duration_words(mark).replace("10.0 s", "10 s") for mark in _MARKS],
            "title": {"text": ""},
        },
    )
    return figure


def _layout() -> dict[str, Any]:
    return {
        "height": _PIXELS,
        "margin": {"l": 0, "r": 0, "t": 30, "b": 0},
        "dragmode": False,
        "legend": {"orientation": "h", "y": 1, "yanchor": "bottom", "x": 0, "title": {"text": ""}},
        "xaxis": {"type": "category", "title": {"text": ""}, "fixedrange": True},
        "uirevision": "insights",
    }
