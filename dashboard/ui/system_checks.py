"""The parts the desk stands on: how each is by word and sign, what was found, what mends it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from dashboard.domain.alarm import Alarm
from dashboard.domain.finding import Finding, Health
from dashboard.errors import IncidentScribeError
from dashboard.ui.chips import Chip
from dashboard.ui.errors_view import render_error
from dashboard.ui.text import escape

_CHIPS = {
    Health.WELL: Chip("well", "check_circle", "green"),
    Health.DOUBTFUL: Chip("needs a look", "warning", "yellow"),
    Health.ILL: Chip("not well", "cancel", "red"),
    Health.UNCHECKED: Chip("not checked here", "help", "gray"),
}


def render_findings(findings: Sequence[Finding]) -> None:
    """Every part in the order given."""
    for finding in findings:
        with st.container(border=True, gap="xsmall"):
            st.markdown(
                f"{_CHIPS[finding.health].markdown()} **{escape(finding.part)}**: {escape(finding.found)}"
            )
            if finding.means:
                since = f" Since {finding.since:%Y-%m-%d %H:%M} UTC." if finding.since else ""
                st.markdown(f"{escape(finding.means)}{since}")
            if finding.mend:
                st.markdown(f":material/build: {escape(finding.mend)}")
            if finding.command:
                st.code(finding.command, language=None)
            st.caption(f"Checked: {escape(finding.checked)}")


def render_declaration(alarm: Alarm, declare: Callable[[Alarm, str], int], why_not: str = "") -> None:
    """For admins: say that the Kestra of an alarm is gone. `declare` answers how many runs ended.

    `why_not` says why it cannot be said just now.
    """
    field, said = f"gone_reason_{alarm.id}", f"gone_said_{alarm.id}"

    def press() -> None:
        try:
            lost = declare(alarm, str(st.session_state.get(field, "")).strip())
        except IncidentScribeError as error:
            st.session_state[said] = error
        else:
            st.session_state[said] = f"{lost} {'run has' if lost == 1 else 'runs have'} ended as lost."

    with st.expander(
        "This Kestra is gone for good", icon=":material/delete_forever:", key=f"gone_{alarm.id}"
    ):
        st.markdown(
            "Its runs that are not over end as lost: what they were doing may or may not have happened. "
            "Nothing of this can be taken back."
        )
        st.text_area("Reason", key=field, max_chars=1_000, height=80, placeholder="Needed; it is recorded.")
        st.button(
            "End its runs as lost",
            key=f"gone_press_{alarm.id}",
            icon=":material/block:",
            disabled=bool(why_not),
            help=escape(why_not) or None,
            on_click=press,
        )
        answer = st.session_state.get(said)
        if isinstance(answer, IncidentScribeError):
            render_error(answer)
        elif answer:
            st.markdown(escape(answer))
