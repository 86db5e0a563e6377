"""Who did what, when, on which version? The audit log of the organization."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import partial

import streamlit as st

from dashboard.domain.clock import utc_now
from dashboard.store import audit
from dashboard.store.audit import Entry, Wanted
from dashboard.ui import session
from dashboard.ui.audit_log import as_csv, as_json, render_entries
from dashboard.ui.errors_view import render_empty, shown
from dashboard.ui.known import read
from dashboard.ui.live import live, organization_topic
from dashboard.ui.page_header import render_freshness_line, render_outage, render_page_header

ACTIONS = (
    "approval",
    "action",
    "command",
    "incident",
    "postmortem",
    "session",
    "person",
    "service",
    "organization",
)

session.require()
render_page_header("Audit log", "Entries are only ever added; each is bound to the one before it.")
with st.container(horizontal=True, vertical_alignment="bottom"):
    kind = st.selectbox(
        "What", ACTIONS, index=None, placeholder="Everything", key="action", bind="query-params", width=200
    )
    actor = st.text_input("Who", key="actor", bind="query-params", placeholder="Name as written", width=200)
    subject = st.text_input(
        "About", key="subject", bind="query-params", placeholder="Id of an incident or approval", width=320
    )
    days = st.selectbox(
        "Since",
        (1, 7, 30, 365),
        index=2,
        format_func=lambda n: f"{n} days" if n > 1 else "one day",
        key="days",
        bind="query-params",
        width=140,
    )


wanted = Wanted(
    kind or "", (actor or "").strip(), (subject or "").strip(), utc_now() - timedelta(days=days or 30)
)


def file(form: Callable[[Iterable[Entry]], bytes]) -> bytes:
    """Everything the filters ask for, as a file; made when somebody takes it."""
    return form(audit.read_entries(session.require().client, wanted))


@live(organization_topic(), key="audit")
def found() -> None:
    """The entries, newest first."""
    page = int(st.session_state.get("audit_page") or 1)
    with shown():
        known = read(
            f"audit_{kind}_{actor}_{subject}_{days}_{page}",
            lambda: audit.list_entries(session.require().client, wanted, page),
        )
        entries, has_more = known.value
        render_freshness_line(known)
        render_outage(known)
        if not entries:
            is_filtered = bool(kind or actor or subject)
            render_empty(
                "No entry matches." if is_filtered else "Nothing was recorded in this time.",
                "Clear a filter or look further back.",
            )
        render_entries(entries, utc_now())
        if has_more or page > 1:
            st.pagination(page + has_more, key="audit_page")


found()
with st.container(horizontal=True):
    st.download_button("CSV", partial(file, as_csv), "audit-log.csv", "text/csv", icon=":material/download:")
    st.download_button(
        "JSON", partial(file, as_json), "audit-log.json", "application/json", icon=":material/download:"
    )
st.caption(
    "`incidentscribe audit verify` computes the chain of hashes anew and names every entry that was touched."
)
