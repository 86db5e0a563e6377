"""What people can do to an incident and its run: buttons that say why where they cannot."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import streamlit as st

from dashboard.domain.powers import Change, Command, Power, Standing, general_objection, objection
from dashboard.ui.text import escape


class _Look(NamedTuple):
    label: str
    icon: str


LOOKS: dict[Power, _Look] = {
    Change.ACKNOWLEDGE: _Look("Acknowledge", ":material/visibility:"),
    Change.NOTE: _Look("Note", ":material/edit_note:"),
    Change.ASSIGN: _Look("Assign", ":material/person_add:"),
    Change.RESOLVE: _Look("Resolve", ":material/check_circle:"),
    Change.REOPEN: _Look("Reopen", ":material/replay:"),
    Change.SEVERITY: _Look("Severity", ":material/swap_vert:"),
    Change.CLOSE: _Look("Close", ":material/lock:"),
    Command.KILL: _Look("Kill the run", ":material/stop_circle:"),
    Command.RESTART: _Look("Restart from the failed step", ":material/resume:"),
    Command.RUN_AGAIN: _Look("Run again", ":material/restart_alt:"),
}
# These stand in the open as long as the incident's state allows them; all others are one tap away.
_IN_THE_OPEN = (
    Change.ACKNOWLEDGE,
    Change.NOTE,
    Change.ASSIGN,
    Change.RESOLVE,
    Change.REOPEN,
    Command.KILL,
    Command.RESTART,
    Command.RUN_AGAIN,
)

Ask = Callable[[Power], None]
"""Called back with what was pressed; opens its dialog, or does it where nothing has to be confirmed."""


def render_actions(standing: Standing, ask: Ask) -> None:
    """The buttons, for a row that wraps. What the role or an outage forbids stays visible."""
    general = general_objection(standing)
    possible = [power for power in _IN_THE_OPEN if objection(power, standing) is None]
    for power in possible:
        _render_button(power, general, ask, primary=power is Change.ACKNOWLEDGE)
    with st.popover("More", icon=":material/more_horiz:", key="more_actions"):
        for power in LOOKS:
            if power not in possible:
                why = general or objection(power, standing)
                _render_button(power, why, ask, stretch=True)
                if why and why != general:
                    st.caption(escape(why))


def render_why_nothing(standing: Standing) -> None:
    """Why this person can do nothing here just now; said once for all buttons."""
    if general := general_objection(standing):
        st.caption(f":material/lock_person: {escape(general)}")


def render_power(power: Power, standing: Standing, ask: Ask, *, place: str) -> None:
    """One button elsewhere on the page, with the reason beneath it where it cannot be pressed."""
    why = general_objection(standing) or objection(power, standing)
    _render_button(power, why, ask, place=place)
    if why:
        st.caption(escape(why))


def _render_button(
    power: Power,
    why_not: str | None,
    ask: Ask,
    *,
    primary: bool = False,
    stretch: bool = False,
    place: str = "do",
) -> None:
    look = LOOKS[power]
    st.button(
        look.label,
        key=f"{place}_{power.value}",
        icon=look.icon,
        type="primary" if primary else "secondary",
        disabled=why_not is not None,
        help=escape(why_not) if why_not else None,
        width="stretch" if stretch else "content",
        on_click=ask,
        args=(power,),
    )
