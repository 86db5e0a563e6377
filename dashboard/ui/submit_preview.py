"""What will happen, for what is chosen so far: the branch, the people, and an open incident it would join."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from dashboard.domain.clock import utc_now
from dashboard.domain.preview import Branch, Preview, Twin
from dashboard.domain.severity import CHOICES, Severity
from dashboard.errors import IncidentScribeError
from dashboard.routes import INCIDENT
from dashboard.ui.chips import severity_chip, status_chip
from dashboard.ui.links import render_link
from dashboard.ui.text import escape
from dashboard.ui.times import with_age

OVERVIEW_ONLY = (
    "Nobody is told by message: no channel is set up. It stands under “Needs you” on the Overview."
)


def asked(
    fetch: Callable[..., Preview], service: str, severity: str, title: str, own_id: str = ""
) -> Preview | IncidentScribeError:
    """What would happen, or why that is not known. It depends on the service first of all."""
    try:
        return fetch(service, severity, title, own_id) if service else Preview()
    except IncidentScribeError as error:
        return error


def render_preview(
    preview: Preview | IncidentScribeError, service: str, severity: Severity, *, may_separate: bool = False
) -> None:
    """The panel beside the form; `may_separate` offers not to join an open incident."""
    st.subheader("What will happen", anchor=False)
    if isinstance(preview, IncidentScribeError):
        st.caption(f"It cannot be said just now: {escape(preview.what)}")
        return
    if preview.twin:
        _render_twin(preview.twin, may_separate=may_separate and not preview.twin.same_id)
    if not (branch := preview.branch(severity)):
        st.caption("The severity decides which way the flow goes; the service, what may be done and by whom.")
        for level in CHOICES:
            known = preview.branch(level)
            what = known.summary() if known else level.consequence
            st.markdown(f"{severity_chip(level).markdown()} {escape(what)}")
    else:
        _render_branch(branch, service)
    _render_service(preview, service)
    st.caption("Analysis, remediation plan and postmortem are written in any case.")


def _render_twin(twin: Twin, *, may_separate: bool) -> None:
    """The open incident that the report joins, unless it is filed separately."""
    with st.container(border=True, gap="xsmall"):
        since = with_age(twin.opened_at, utc_now())
        st.markdown(f":orange-badge[:material/content_copy: already open] since {since}")
        render_link(INCIDENT, f"{twin.external_id}: {twin.title}", strong=True, id=twin.incident_id)
        seen = "once" if twin.occurrences == 1 else f"{twin.occurrences} times"
        st.markdown(
            f"{severity_chip(twin.severity).markdown()} {status_chip(twin.status).markdown()} seen {seen}"
        )
        if may_separate and st.checkbox("File separately", key="submit_separately"):
            st.caption("Yours becomes an incident of its own, with a run of its own.")
        else:
            st.caption(f"Yours joins it and is kept with it. {escape(twin.consequence())}")


def _render_branch(branch: Branch, service: str) -> None:
    st.markdown(severity_chip(branch.severity).markdown())
    if branch.does == "ask":
        _render_asking(branch)
    elif branch.does == "act" and branch.low_risk_actions:
        actions = ", ".join(escape(title) for title in branch.low_risk_actions)
        st.markdown(
            f"The flow **may act by itself** when the analysis proposes it: {escape(service)} allows "
            f"actions of low risk ({actions}). The effect is checked; if it is not seen, people must look."
        )
    elif branch.does == "act":
        st.markdown(
            f"{escape(service)} allows acting without a person, but nothing of low risk is in its catalogue: "
            "the flow **escalates to people**."
        )
        _render_told(branch)
    else:
        why = f" {escape(branch.why)}" if branch.why else ""
        at_once = " at once" if branch.severity is Severity.CRITICAL else ""
        st.markdown(f"The flow **escalates to people{at_once}** and carries nothing out.{why}")
        _render_told(branch)


def _render_asking(branch: Branch) -> None:
    if branch.lacks_deciders:
        have = "Nobody" if not branch.deciders else f"Only {', '.join(branch.deciders)}"
        st.warning(
            f"{escape(have)} may decide on it, and {branch.approvals_required} must approve. "
            f"{escape(branch.why or '')} An admin has to change the rule or add a person, "
            "or nothing will be carried out.",
            title="Nobody can approve this",
            icon=":material/person_off:",
        )
        return
    people = ", ".join(f"**{escape(name)}**" for name in branch.deciders)
    number = "One" if branch.approvals_required == 1 else f"{branch.approvals_required}"
    st.markdown(
        "The flow **stops and asks** before anything is carried out. "
        f"{number} of these must approve: {people}."
    )
    st.markdown(
        f":material/timer: {branch.time_to_decide} to decide, from the moment it asks. "
        "Silence is never taken as yes."
    )
    st.caption(escape(branch.why or ""))


def _render_told(branch: Branch) -> None:
    st.markdown(f"Told: {', '.join(map(escape, branch.told))}." if branch.told else OVERVIEW_ONLY)


def _render_service(preview: Preview, service: str) -> None:
    if known := preview.service:
        st.caption(f"{escape(known.name)}: owned by {escape(known.owner)}, tier {known.tier}.")
    elif service:
        st.caption(
            f"{escape(service)} is not set up here: the default rules hold, and it never acts by itself."
        )
