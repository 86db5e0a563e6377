"""What happened to an incident, event by event, in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from dashboard.domain.execution import state_word
from dashboard.domain.incident import IncidentEvent

Detail = dict[str, Any]

# What people did; the rest is what the programs noted.
_BY_PEOPLE = frozenset(
    {
        "submitted",
        "seen_again",
        "acknowledged",
        "assigned",
        "note",
        "severity",
        "resolved",
        "reopened",
        "closed",
        "approved",
        "rejected",
        "proposal_edited",
        "decision_withdrawn",
        "kill_requested",
        "restart_requested",
        "run_again_requested",
        "withdrawn",
        "resumed_by_hand",
    }
)


# What the database writes where nobody gave one.
NO_REASON = "No reason was given."


class Told(NamedTuple):
    """An event for people: what was done as a verb behind a name, and what was written with it."""

    did: str
    text: str = ""


def is_of_people(event: IncidentEvent) -> bool:
    """Whether a person did it, or somebody outside reported it; not flow and worker."""
    return event.kind in _BY_PEOPLE


def tell(event: IncidentEvent) -> Told:
    """The event in words; one that this version does not know keeps its name."""
    words = _WORDS.get(event.kind)
    return words(event.detail) if words else Told(event.kind.replace("_", " "))


def _plain(did: str, field: str = "") -> Callable[[Detail], Told]:
    return lambda detail: Told(did, _text(detail, field) if field else "")


def _text(detail: Detail, field: str) -> str:
    text = str(detail.get(field) or "")
    return "" if text == NO_REASON else text


def _run_ended(detail: Detail) -> Told:
    return Told(f"saw the run end: {state_word(_text(detail, 'state')).label.lower()}")


def _action_finished(detail: Detail) -> Told:
    status = _text(detail, "status")
    if status == "acted":
        seen = "and its effect was seen" if detail.get("verified") else "but its effect was not seen"
        return Told(f"carried out an action, {seen}")
    if status == "unknown":
        return Told("began an action that may or may not have happened")
    return Told("was refused an action by the service; it did not happen")


def _escalated(detail: Detail) -> Told:
    told = detail.get("told") or []
    channels = ", ".join(str(channel) for channel in told) if isinstance(told, list) else ""
    whom = f"and told {channels}" if channels else "and could tell nobody"
    return Told(f"escalated {whom}", _text(detail, "reason"))


_WORDS: dict[str, Callable[[Detail], Told]] = {
    "submitted": _plain("reported it"),
    "seen_again": _plain("reported it again"),
    "acknowledged": _plain("acknowledged it"),
    "assigned": lambda detail: Told(f"gave it to {_text(detail, 'to') or 'somebody'}"),
    "note": _plain("noted", "text"),
    "severity": lambda detail: Told(
        f"changed the severity from {_text(detail, 'from')} to {_text(detail, 'to')}"
    ),
    "resolved": _plain("resolved it", "text"),
    "reopened": _plain("reopened it", "text"),
    "closed": _plain("closed it", "text"),
    "approved": _plain("approved the proposal", "reason"),
    "rejected": _plain("rejected the proposal", "reason"),
    "proposal_edited": _plain("edited the proposal; somebody else decides", "reason"),
    "decision_withdrawn": _plain("withdrew their decision", "reason"),
    "expired": _plain("let the proposal expire: nobody decided in time"),
    "reminded": _plain("reminded people: half of the time to decide is over"),
    "second_line_told": _plain("told the second line: three quarters of the time to decide are over"),
    "nobody_can_decide": _plain("found too few active people who may decide", "reason"),
    "somebody_can_decide": _plain("found enough people who may decide again"),
    "kill_requested": _plain("asked to kill the run", "reason"),
    "restart_requested": _plain("asked to restart the run from its failed step", "reason"),
    "run_again_requested": _plain("asked for another run", "reason"),
    "withdrawn": _plain("took back what was asked", "reason"),
    "resumed_by_hand": _plain("saw the run resumed in Kestra past the desk; the proposal was cancelled"),
    "run_started": _plain("began a run"),
    "run_restarted": _plain("went on with the run after a restart"),
    "run_failed_before_claim": lambda detail: Told(
        "saw a run end before it had the incident"
        + ("; it is started again" if detail.get("run_id") else "; nothing was started again")
    ),
    "duplicate_run": _plain("turned away a second run", "reason"),
    "run_ended": _run_ended,
    "approval_requested": _plain("asked for an approval"),
    "action_begun": _plain("began an action"),
    "action_finished": _action_finished,
    "escalated": _escalated,
}
