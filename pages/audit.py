"""Who did what, when, on which version? The audit log of the organization."""

from collections.abc import Callable, Iterable
from functools import partial

import streamlit as st

from dashboard.domain.clock import utc_now
from dashboard.store import audit
from dashboard.store.audit import Entry
from dashboard.ui import session
from dashboard.ui.audit_filters import render_audit_filters
from dashboard.ui.audit_log import as_csv, as_json, render_entries
from dashboard.ui.errors_view import render_empty, shown
from dashboard.ui.known import read
from dashboard.ui.live import live, organization_topic
from dashboard.ui.page_header import render_freshness_line, render_outage, render_page_header
from dashboard.ui.paging import page_shown, render_paging

session.require()
render_page_header("Audit log", "Entries are only ever added; each is bound to the one before it.")
wanted, choice = render_audit_filters(utc_now())


def file(form: Callable[[Iterable[Entry]], bytes]) -> bytes:
    """Everything the filters ask for, as a file; made when somebody takes it."""
    return form(audit.read_entries(session.require().client, wanted))


@live(organization_topic(), key="audit")
def found() -> None:
    """The entries, newest first."""
    page = page_shown()
    with shown():
        known = read(
            f"audit_{choice}_{page}",
            lambda: audit.list_entries(session.require().client, wanted, page),
        )
        entries, has_more = known.value
        render_freshness_line(known)
        render_outage(known)
        if not entries:
            is_filtered = bool(wanted.kind or wanted.actor or wanted.subject)
            render_empty(
                "No entry matches." if is_filtered else "Nothing was recorded in this time.",
                "Clear a filter or look further back.",
            )
        render_entries(entries, utc_now())
        count = (page - 1) * audit.PAGE + len(entries)
        words = f"{'more than ' if has_more else ''}{count} {'entry' if count == 1 else 'entries'}"
        render_paging(page, count, words, are_more=has_more, size=audit.PAGE)


found()
with st.container(horizontal=True):
    st.download_button("CSV", partial(file, as_csv), "audit-log.csv", "text/csv", icon=":material/download:")
    st.download_button(
        "JSON", partial(file, as_json), "audit-log.json", "application/json", icon=":material/download:"
    )
st.caption(
    "`incidentscribe audit verify` computes the chain of hashes anew and names every entry that was touched."
)
