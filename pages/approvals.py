"""May this happen? What waits for a decision, and what was decided."""

import streamlit as st

from dashboard.domain.clock import utc_now
from dashboard.domain.listing import ApprovalFilters
from dashboard.store import approvals, services
from dashboard.ui import session
from dashboard.ui.approval_filters import render_approval_filters
from dashboard.ui.approval_rows import render_settled_rows, render_waiting_rows
from dashboard.ui.errors_view import render_empty
from dashboard.ui.known import read
from dashboard.ui.live import live, organization_topic
from dashboard.ui.page_header import headed, render_page_header
from dashboard.ui.paging import page_shown, page_within, render_paging

session.require()


@live(organization_topic(), key="approvals")
def inbox() -> None:
    """Head, fields and what they ask for: one scope, so that no press is lost."""
    client = session.require().client
    head = st.container()
    with headed("Approvals", head):
        waiting = read("waiting", lambda: approvals.list_waiting(client))
        mine = sum(approval.may_decide for approval in waiting.value)
        others = len(waiting.value) - mine
        with head:
            sentence = f"{mine} {'waits' if mine == 1 else 'wait'} for you, {others} for somebody else."
            render_page_header("Approvals", sentence if waiting.value else "No approval waits.", waiting)
        named = read("services", lambda: services.list_services(client)).value
        choice = render_approval_filters([service.name for service in named])
        if not choice.inbox:
            settled(choice.filters)
            return
        wanted = choice.filters.services
        shown = [approval for approval in waiting.value if not wanted or approval.service in wanted]
        # First what the reader may decide, nearest deadline first.
        shown.sort(key=lambda approval: (not approval.may_decide, approval.deadline_at))
        if shown:
            page = page_within(len(shown), approvals.PAGE_SIZE)
            last = page * approvals.PAGE_SIZE
            render_waiting_rows(shown[last - approvals.PAGE_SIZE : last], utc_now())
            words = f"{len(shown)} approval{'' if len(shown) == 1 else 's'}"
            render_paging(page, len(shown), words, are_more=False, size=approvals.PAGE_SIZE)
        elif waiting.value:
            render_empty("No approval of these services waits.", "Choose other services, or none.")
        else:
            render_empty("No approval waits.", "A MEDIUM incident brings one; deadlines run from then.")


def settled(filters: ApprovalFilters) -> None:
    """What is over, or what a link asked for."""
    client = session.require().client
    page = page_shown()
    found = read(f"approvals_{filters}_{page}", lambda: approvals.list_page(client, filters, page))
    some, is_more = found.value
    if some:
        render_settled_rows(some, utc_now())
    elif filters.services or filters.since or filters.until or filters.outcomes:
        render_empty("No approval matches.", "Choose other filters.")
    else:
        render_empty("There is none yet.", "What people decide, and what ends without them, stays here.")
    count = (page - 1) * approvals.PAGE_SIZE + len(some)
    words = f"{'more than ' if is_more else ''}{count} approval{'' if count == 1 else 's'}"
    render_paging(page, count, words, are_more=is_more, size=approvals.PAGE_SIZE)


inbox()
