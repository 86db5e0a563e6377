"""Severity, state and status as chips: always a word, a sign and a colour, in this order of importance."""

from __future__ import annotations

from typing import Final, NamedTuple

from dashboard.domain.action import ActionOutcome, Risk
from dashboard.domain.analysis import Confidence
from dashboard.domain.approval import Approval, ApprovalStatus
from dashboard.domain.execution import Tone, state_word
from dashboard.domain.incident import IncidentStatus
from dashboard.domain.postmortem import PostmortemStatus
from dashboard.domain.severity import Severity
from dashboard.ui.text import escape


class Chip(NamedTuple):
    """`color` is one of Streamlit's badge colours."""

    word: str
    icon: str
    color: str

    def markdown(self) -> str:
        """The chip within a line of Markdown or a label."""
        return f":{self.color}-badge[:material/{self.icon}: {escape(self.word)}]"


_SEVERITIES: Final = {
    Severity.CRITICAL: Chip("CRITICAL", "emergency_home", "red"),
    Severity.HIGH: Chip("HIGH", "keyboard_double_arrow_up", "orange"),
    Severity.MEDIUM: Chip("MEDIUM", "drag_handle", "yellow"),
    Severity.LOW: Chip("LOW", "keyboard_arrow_down", "blue"),
    Severity.UNKNOWN: Chip("UNKNOWN, treated as HIGH", "help", "orange"),
}

_STATUSES: Final = {
    IncidentStatus.OPEN: Chip("open", "radio_button_unchecked", "gray"),
    IncidentStatus.INVESTIGATING: Chip("investigating", "search", "blue"),
    IncidentStatus.AWAITING_APPROVAL: Chip("awaiting approval", "hourglass_top", "yellow"),
    IncidentStatus.RESOLVED: Chip("resolved", "check_circle", "green"),
    IncidentStatus.CLOSED: Chip("closed", "lock", "gray"),
}

_TONES: Final = {
    Tone.WAITING: ("schedule", "gray"),
    Tone.WORKING: ("sync", "blue"),
    Tone.GOOD: ("check_circle", "green"),
    Tone.ATTENTION: ("warning", "yellow"),
    Tone.BAD: ("cancel", "red"),
    Tone.QUIET: ("remove", "gray"),
}
# States that feel alike and must still look different.
_OWN_ICONS: Final = {"PAUSED": "hourglass_top", "KILLED": "stop_circle", "KILLING": "stop_circle"}

_APPROVALS: Final = {
    ApprovalStatus.PENDING: Chip("waiting for a decision", "hourglass_top", "yellow"),
    ApprovalStatus.APPROVED: Chip("approved", "check_circle", "green"),
    ApprovalStatus.REJECTED: Chip("rejected", "block", "red"),
    ApprovalStatus.EXPIRED: Chip("expired", "timer_off", "gray"),
    ApprovalStatus.CANCELLED: Chip("cancelled", "cancel", "gray"),
}

_OUTCOMES: Final = {
    ActionOutcome.BEGUN: Chip("being carried out", "sync", "blue"),
    ActionOutcome.ACTED: Chip("done", "check_circle", "green"),
    ActionOutcome.FAILED: Chip("refused by the service, did not happen", "cancel", "red"),
    ActionOutcome.UNKNOWN: Chip("may or may not have happened: check", "help", "yellow"),
}

_RISKS: Final = {
    Risk.LOW: Chip("low risk", "shield", "blue"),
    Risk.MEDIUM: Chip("medium risk", "shield", "yellow"),
    Risk.HIGH: Chip("high risk", "gpp_maybe", "red"),
}

_CONFIDENCES: Final = {
    Confidence.LOW: Chip("low confidence", "signal_cellular_alt_1_bar", "orange"),
    Confidence.MEDIUM: Chip("medium confidence", "signal_cellular_alt_2_bar", "yellow"),
    Confidence.HIGH: Chip("high confidence", "signal_cellular_alt", "green"),
}

_POSTMORTEMS: Final = {
    PostmortemStatus.DRAFT: Chip("draft", "edit_note", "gray"),
    PostmortemStatus.IN_REVIEW: Chip("in review", "rate_review", "yellow"),
    PostmortemStatus.PUBLISHED: Chip("published", "verified", "green"),
}

NEEDS_HUMAN: Final = Chip("needs a person", "front_hand", "orange")
FOR_YOU: Final = Chip("you", "person", "green")
STARTING: Final = Chip("being started", "sync", "blue")


def severity_chip(severity: Severity) -> Chip:
    return _SEVERITIES[severity]


def status_chip(status: IncidentStatus) -> Chip:
    return _STATUSES[status]


def state_chip(state: str) -> Chip:
    """A state of Kestra in our word; a state nobody knows asks for attention."""
    word = state_word(state)
    icon, color = _TONES[word.tone]
    return Chip(word.label, _OWN_ICONS.get(state, icon), color)


def approval_chip(approval: Approval) -> Chip:
    return _APPROVALS[approval.status]


def approval_status_chip(status: ApprovalStatus) -> Chip:
    return _APPROVALS[status]


def outcome_chip(outcome: ActionOutcome, *, verified: bool | None) -> Chip:
    """How an action ended; done is green only when its effect was seen."""
    if outcome is ActionOutcome.ACTED and not verified:
        return Chip("done, but its effect was not seen", "warning", "yellow")
    if outcome is ActionOutcome.ACTED:
        return Chip("done and verified", "check_circle", "green")
    return _OUTCOMES[outcome]


def risk_chip(risk: Risk) -> Chip:
    return _RISKS[risk]


def confidence_chip(confidence: Confidence) -> Chip:
    return _CONFIDENCES[confidence]


def postmortem_chip(status: PostmortemStatus, *, by_people: bool = True) -> Chip:
    """How far a document is; a draft that nobody has touched is the model's."""
    if status is PostmortemStatus.DRAFT and not by_people:
        return Chip("draft of the model", "smart_toy", "gray")
    return _POSTMORTEMS[status]


def line(*chips: Chip | None) -> str:
    """Several chips in a row."""
    return " ".join(chip.markdown() for chip in chips if chip)
