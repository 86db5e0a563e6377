"""What people have asked of a run, on its way: by whom, since when, how it went."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import streamlit as st

from dashboard.domain.clock import age_words
from dashboard.store.cases import Case
from dashboard.store.executions import Owed
from dashboard.ui.text import escape
from dashboard.ui.times import absolute, with_age

_NOUNS = {"kill": "Kill", "restart": "Restart", "start_run": "Run"}


def render_requests(case: Case, now: datetime, withdraw: Callable[[Owed], None] | None) -> None:
    """Requests on their way or to the latest run; `withdraw` is None where it is not allowed."""
    for request in worth_showing(case):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(request_line(request, case, now), width="stretch")
            if request.is_owed and withdraw:
                st.button(
                    "Take back",
                    key=f"withdraw_{request.id}",
                    icon=":material/undo:",
                    type="tertiary",
                    on_click=withdraw,
                    args=(request,),
                )


def worth_showing(case: Case) -> tuple[Owed, ...]:
    """What is owed, how commands to the latest run went, and a latest start that was taken back."""
    run_id = case.run.kestra_execution_id if case.run else None
    return tuple(
        request
        for request in reversed(case.requests)
        if (request.is_owed and (request.kind == "command" or len(case.runs) or request.last_error))
        or (request.kind == "command" and request.payload.get("kestra_execution_id") == run_id)
        or (request is case.start and request.status == "withdrawn")
    )


def request_line(request: Owed, case: Case, now: datetime) -> str:
    """`Kill asked for by Ana 12 s ago: being delivered`, as Markdown."""
    noun = _NOUNS.get(str(request.payload.get("command") or request.kind), "Request")
    by = f" by {escape(request.requested_by_name)}" if request.requested_by_name else ""
    asked = f"**{noun}** asked for{by} {with_age(request.created_at, now)}"
    return f"{asked}: {_progress(request, case, now)}"


def _progress(request: Owed, case: Case, now: datetime) -> str:
    if request.status == "withdrawn":
        return f":gray-badge[:material/undo: taken back] {escape(request.last_error or '')}"
    if request.is_owed:
        if not request.last_error:
            return ":blue-badge[:material/sync: being delivered]"
        tries = "one try" if request.attempts == 1 else f"{request.attempts} tries"
        stuck = f", stuck since {absolute(request.stuck_since)}" if request.stuck_since else ""
        return (
            f":orange-badge[:material/warning: not delivered yet] after {tries}{stuck}: "
            f"{escape(request.last_error)} It is tried again by itself."
        )
    when = f" {age_words(request.settled_at, now)}" if request.settled_at else ""
    if note := request.detail.get("note"):
        return f":gray-badge[:material/info: without effect]{when} {escape(str(note))}"
    run = case.run
    is_over = run is not None and run.ended_at is not None
    if request.payload.get("command") == "kill" and not is_over:
        return f":blue-badge[:material/sync: delivered]{when}, the run is stopping"
    return f":green-badge[:material/check: done]{when}"
