"""Times that go on by themselves on the screen, by the server's clock, without a run of the page."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import streamlit as st

from dashboard.ui.times import absolute

_CSS = """
:host { font-family: var(--st-font); color: var(--st-text-color); }
p { margin: 0; font-size: 0.875rem; }
.quiet { opacity: 0.75; text-align: right; }
.loud { font-size: 1rem; }
.loud .clock { font-weight: 650; }
.clock { font-variant-numeric: tabular-nums; }
.stale { display: none; padding: 0.08rem 0.4rem; border-radius: calc(var(--st-base-radius) / 2);
  color: var(--st-orange-text-color); background: var(--st-orange-background-color); }
p:has(.late) { opacity: 1; }
p:has(.late) .stale { display: inline; }
"""


def asset(name: str) -> str:
    """A file beside this one, as text."""
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


_clock = st.components.v2.component(
    "desk_clock",
    html="""
<p>
  <span class="stale">stale</span>
  <span class="before"></span><span class="clock"></span><span class="after"></span>
</p>
""",
    css=_CSS,
    js=asset("clock.js") + asset("clock_view.js"),
)


def render_fresh(key: str, as_of: datetime, now: datetime, how: str, *, stale_after_seconds: float) -> None:
    """`as of 10:02:11 UTC, 3 s ago, live`; says by itself that it is stale once nothing came for so long."""
    _clock(
        key=key,
        width="content",
        data={
            "look": "quiet",
            "before": f"as of {as_of:%H:%M:%S} UTC, ",
            "kind": "age",
            "at": milliseconds(as_of),
            "after": f", {how}",
            "late": round(stale_after_seconds * 1000),
            "now": milliseconds(now),
        },
    )


def render_countdown(key: str, deadline: datetime, now: datetime) -> None:
    """`52 min 10 s left (until 2026-11-24 10:02:11 UTC)`, to the second. `now` is the clock that decides."""
    _clock(
        key=key,
        data={
            "look": "loud",
            "before": "",
            "kind": "left",
            "at": milliseconds(deadline),
            "after": f" to decide, until {absolute(deadline)}",
            "late": None,
            "now": milliseconds(now),
        },
    )


def milliseconds(at: datetime) -> int:
    """As the browser counts time."""
    return round(at.timestamp() * 1000)
