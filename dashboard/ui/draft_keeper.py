"""The draft of this tab: restored when the page opens, kept while somebody types, forgotten once submitted.

Fields know their values only while they are drawn. So what is typed lives here, in the session, and in the
database, where it survives a reload and a sign-out (docs/decisions/0007).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import streamlit as st

from dashboard.domain.clock import utc_now
from dashboard.domain.draft import Draft, SaveReceipt, StoredDraft, new_attempt
from dashboard.errors import FieldProblem, IncidentScribeError, InvalidInput, StaleContent
from dashboard.ui.text import escape
from dashboard.ui.times import absolute

log = logging.getLogger(__name__)

_PLACE = "submit_kept"
_ASIDE = "submit_put_aside"
_SENT = "submit_sent"
_LED = "submitted"


class Storage(NamedTuple):
    """Where drafts of the person are kept; each may raise errors of our tree."""

    find: Callable[[], StoredDraft | None]
    save: Callable[[Draft, int], SaveReceipt]
    discard: Callable[[], None]


@dataclass(slots=True)
class Kept:
    """What is being written, by whom, and what of it the database has.

    `generation` names the fields on the screen: raised when they are filled anew from here. `refused` is the
    draft that was not accepted, with the reason.
    """

    owner: str
    draft: Draft
    saved: Draft | None = None
    version: int = 0
    saved_at: datetime | None = None
    is_restored: bool = False
    problem: IncidentScribeError | None = None
    was_tried: bool = False
    refused: tuple[Draft, IncidentScribeError] | None = None
    generation: int = 0

    def fill(self, draft: Draft) -> None:
        """Put other contents on the screen."""
        self.draft = draft
        self.generation += 1
        self.was_tried, self.refused = False, None

    def replace(self, draft: Draft) -> None:
        """As `fill`, with a way back to what was there."""
        if not self.draft.is_empty:
            st.session_state[_ASIDE] = self.draft
        self.fill(draft)

    def was_sent(self, generation: int) -> bool:
        """Whether this screen is submitted already: the second press then leads where the first did."""
        sent: tuple[int, str | None] | None = st.session_state.get(_SENT)
        if sent is None or sent[0] != generation:
            return False
        _lead_to(sent[1])
        return True

    @property
    def refusal(self) -> IncidentScribeError | None:
        """Why the last attempt failed, as long as nothing was changed since."""
        return self.refused[1] if self.refused and self.refused[0] == self.draft else None

    def problems(self) -> tuple[FieldProblem, ...]:
        """What to say at the fields: after a first attempt what is wrong now, and what the database said."""
        if not self.was_tried:
            return ()
        said = self.refusal
        found = dict.fromkeys(self.draft.problems())
        return tuple(found | dict.fromkeys(said.fields if isinstance(said, InvalidInput) else ()))


def open_draft(owner: str, storage: Storage) -> Kept:
    """This tab's draft of that person; asked from the database when there is none yet."""
    kept: Kept | None = st.session_state.get(_PLACE)
    if kept is None or kept.owner != owner:
        kept = Kept(owner, Draft(attempt=new_attempt(utc_now())))
        try:
            _adopt(kept, storage.find())
        except IncidentScribeError as error:
            kept.problem = error
        st.session_state[_PLACE] = kept
    return kept


def keep(kept: Kept, storage: Storage) -> None:
    """Save what has changed since the last save; an emptied draft is discarded."""
    try:
        if kept.draft == kept.saved or isinstance(kept.problem, StaleContent):
            return
        if kept.draft.is_empty:
            if kept.version:
                storage.discard()
            kept.saved, kept.version, kept.saved_at = None, 0, None
        elif kept.draft.is_too_large_to_keep():
            raise InvalidInput("It is larger than 1 MB and lives in this tab only: a reload would lose it.")
        else:
            receipt = storage.save(kept.draft, kept.version)
            kept.saved, kept.version, kept.saved_at = kept.draft, receipt.version, receipt.saved_at
            kept.is_restored = False
        kept.problem = None
    except IncidentScribeError as error:
        kept.problem = error


def settle(kept: Kept, incident_id: str | None, rest: Draft, storage: Storage) -> None:
    """After a submission: `rest` stays a draft, and the next run leads to the incident, if one is named."""
    st.session_state[_SENT] = (kept.generation, incident_id)
    st.session_state.pop(_ASIDE, None)
    _lead_to(incident_id)
    kept.fill(rest.model_copy(update={"attempt": new_attempt(utc_now())}))
    keep(kept, storage)
    if kept.problem:
        # The incident is filed all the same. Sent again, the old draft would join it by its id.
        log.warning("A submitted draft could not be forgotten: %s", kept.problem)


def destination() -> str | None:
    """The incident that the page is to lead to now; once."""
    led: str | None = st.session_state.pop(_LED, None)
    return led


def _lead_to(incident_id: str | None) -> None:
    if incident_id:
        st.session_state[_LED] = incident_id


def keep_and_say(kept: Kept, storage: Storage) -> None:
    """Save what has changed, then say since when it is kept, with a way to be rid of it; or why it is not."""
    keep(kept, storage)
    if isinstance(kept.problem, StaleContent):
        _render_clash(kept, storage)
        return
    aside: Draft | None = st.session_state.get(_ASIDE)
    if kept.draft.is_empty and not aside:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if not kept.draft.is_empty:
            st.caption(_draft_sentence(kept), width="content")
            st.button(
                "Discard draft",
                key="submit_discard",
                icon=":material/delete:",
                type="tertiary",
                on_click=_discard,
                args=(kept,),
            )
        if aside:
            st.button(
                "Bring back what was there",
                key="submit_undo",
                icon=":material/undo:",
                type="tertiary",
                on_click=_bring_back,
                args=(kept, aside),
            )


def _draft_sentence(kept: Kept) -> str:
    if kept.problem:
        return f":orange-badge[:material/cloud_off: draft not saved] {escape(kept.problem.what)}"
    if kept.saved_at is None:
        return "Not saved yet."
    if kept.is_restored:
        return f"Draft of {absolute(kept.saved_at)} restored."
    return f"Draft saved {kept.saved_at:%H:%M:%S} UTC. Only you see it; it is kept for a week."


def _render_clash(kept: Kept, storage: Storage) -> None:
    st.warning(
        "Another tab of yours has saved a draft since. This one is on the screen only.",
        title="Two drafts",
        icon=":material/difference:",
    )
    with st.container(horizontal=True, gap="small"):
        st.button("Show the saved one", key="submit_take_saved", on_click=_take_saved, args=(kept, storage))
        st.button("Keep this one", key="submit_keep_this", on_click=_keep_this, args=(kept, storage))


def _adopt(kept: Kept, stored: StoredDraft | None) -> None:
    if stored is None:
        return
    kept.fill(stored.content)
    if not kept.draft.attempt:
        kept.draft = kept.draft.model_copy(update={"attempt": new_attempt(utc_now())})
    kept.saved, kept.version, kept.saved_at, kept.is_restored = (
        stored.content,
        stored.version,
        stored.saved_at,
        True,
    )


def _take_saved(kept: Kept, storage: Storage) -> None:
    try:
        _adopt(kept, storage.find())
        kept.problem = None
    except IncidentScribeError as error:
        kept.problem = error


def _keep_this(kept: Kept, storage: Storage) -> None:
    try:
        stored = storage.find()
        kept.version = stored.version if stored else 0
        kept.problem = None
        keep(kept, storage)
    except IncidentScribeError as error:
        kept.problem = error


def _discard(kept: Kept) -> None:
    kept.replace(Draft(attempt=kept.draft.attempt))


def _bring_back(kept: Kept, aside: Draft) -> None:
    kept.replace(aside)
    if st.session_state.get(_ASIDE) == aside:
        del st.session_state[_ASIDE]
