"""May this happen? What waits for a decision, and what was decided."""

import streamlit as st

from dashboard.domain.approval import ApprovalStatus
from dashboard.domain.clock import utc_now
from dashboard.store import approvals
from dashboard.ui import session
from dashboard.ui.cards import render_settled, render_waiting
from dashboard.ui.errors_view import render_empty, shown
from dashboard.ui.known import read, render_known

session.require()
st.title("Approvals")
DECIDED = (ApprovalStatus.APPROVED, ApprovalStatus.REJECTED)
ENDED = (ApprovalStatus.EXPIRED, ApprovalStatus.CANCELLED)


@st.fragment(run_every=3)
def waiting() -> None:
    """What waits: first what the person may decide, nearest deadline first."""
    with shown():
        known = read("waiting", lambda: approvals.list_waiting(session.require().client))
        render_known(known)
        for approval in sorted(known.value, key=lambda a: (not a.may_decide, a.deadline_at)):
            render_waiting(approval, utc_now())
        if not known.value:
            render_empty("No approval waits.", "A MEDIUM incident brings one; deadlines run from then.")


@st.fragment(run_every=5)
def settled(statuses: tuple[ApprovalStatus, ...], empty: str) -> None:
    """What is over, newest first."""
    with shown():
        known = read(
            f"settled_{'_'.join(statuses)}",
            lambda: approvals.list_settled(session.require().client, statuses),
        )
        render_known(known)
        for approval in known.value:
            render_settled(approval, utc_now())
        if not known.value:
            render_empty(empty)


inbox, decided, ended = st.tabs(["Waiting", "Decided", "Expired and cancelled"], on_change="rerun", key="tab")
if inbox.open:
    with inbox:
        waiting()
if decided.open:
    with decided:
        settled(DECIDED, "Nothing was decided yet.")
if ended.open:
    with ended:
        settled(ENDED, "No approval expired or was cancelled.")
