"""Everything that can go wrong, as one tree.

IncidentScribeError
├── ConfigurationError              a setting is missing or unusable; names it
├── UpstreamError                   Kestra or Supabase; carries `service`
│   ├── UpstreamUnreachable         no connection, time-out, 5xx: worth another try
│   ├── UpstreamRejected            it answered and said no; carries `status`
│   │   ├── NotSignedIn             no, expired or wrong credentials
│   │   └── NotAllowed              known, but without the right
│   │       ├── NotApprover         the approval rule names other people
│   │       ├── FourEyes            whoever asked for something does not decide on it
│   │       ├── NotOwner            this execution does not own the run
│   │       └── Inactive            the person was switched off
│   └── UpstreamProtocolError       an answer that was not understood; carries an `excerpt`
├── TamperedLog                     the audit log is not what was written
├── NotFound                        there is no such thing, or it is not yours to see
├── InvalidInput                    carries `fields`, one problem each
│   ├── InvalidJson                 carries `line`, `column` and an `excerpt` with a caret
│   └── ReasonRequired              a rejection needs a reason
└── Conflict                        the world has moved on
    ├── AlreadyDecided              carries `by`, `at`, `decision`, `reason`
    ├── NotPending                  cancelled, or decided in another way
    ├── Expired                     the deadline has passed
    ├── StaleContent                what was seen is not what is stored now
    ├── StaleVersion                somebody changed it meanwhile; carries `by`, `at`, `change`
    ├── LostLease                   another worker has taken the row over
    └── NotPaused                   Kestra's execution does not wait (yet, or any more)

Every error tells three things: `what` happened, what it `means` for the incident, and what `to_do`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

Answer = TypeVar("Answer")


class IncidentScribeError(Exception):
    """The root. Its text is the three sentences in one line; a subclass may know the last two itself."""

    means: str = ""
    to_do: str = ""

    def __init__(self, what: str, *, means: str | None = None, to_do: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        if means is not None:
            self.means = means
        if to_do is not None:
            self.to_do = to_do

    def __str__(self) -> str:
        return " ".join(part for part in (self.what, self.means, self.to_do) if part)


def or_error(ask: Callable[[], Answer]) -> Answer | IncidentScribeError:
    """What it answers, or the error of our tree in its place: in a report no part hides another."""
    try:
        return ask()
    except IncidentScribeError as error:
        return error


class ConfigurationError(IncidentScribeError):
    """A setting is missing or unusable; `keys` are the names of the environment variables."""

    to_do = "Set it in the environment or in .env (.env.example explains every key)."

    def __init__(
        self, what: str, *, keys: Sequence[str] = (), means: str | None = None, to_do: str | None = None
    ) -> None:
        super().__init__(what, means=means, to_do=to_do)
        self.keys = tuple(keys)


class UpstreamError(IncidentScribeError):
    """Kestra or Supabase did not do what was asked; `service` says which of them."""

    def __init__(
        self, service: str, what: str, *, means: str | None = None, to_do: str | None = None
    ) -> None:
        super().__init__(what, means=means, to_do=to_do)
        self.service = service


class UpstreamUnreachable(UpstreamError):
    """No answer, or an answer that says "not now".

    `may_have_arrived` is False only when the request surely never reached the service.
    """

    to_do = "It is tried again; if it stays so, check the service and the address on the System page."

    def __init__(
        self,
        service: str,
        what: str,
        *,
        may_have_arrived: bool = True,
        means: str | None = None,
        to_do: str | None = None,
    ) -> None:
        super().__init__(service, what, means=means, to_do=to_do)
        self.may_have_arrived = may_have_arrived


class UpstreamRejected(UpstreamError):
    """The service answered and refused; `status` is its HTTP status where one is known."""

    def __init__(
        self,
        service: str,
        what: str,
        *,
        status: int | None = None,
        means: str | None = None,
        to_do: str | None = None,
    ) -> None:
        super().__init__(service, what, means=means, to_do=to_do)
        self.status = status


class NotSignedIn(UpstreamRejected):
    """No credentials, or expired or wrong ones."""

    to_do = "Sign in again."


class NotAllowed(UpstreamRejected):
    """The caller is known and lacks the right."""

    to_do = "Ask an administrator of your organization if you should be able to do this."


class NotApprover(NotAllowed):
    """The approval rule of the service names other people."""

    to_do = "One of the people named there can decide."


class FourEyes(NotAllowed):
    """Whoever submitted, raised or edited something does not decide on it."""

    to_do = "Somebody else has to decide."


class NotOwner(NotAllowed):
    """This execution does not own the run: another one does, or it was superseded."""

    to_do = ""


class Inactive(NotAllowed):
    """The person was switched off in this organization."""


class UpstreamProtocolError(UpstreamError):
    """An answer that was not understood; `excerpt` is its beginning."""

    to_do = "Check that the address points at the right service and that its version is supported."

    def __init__(
        self,
        service: str,
        what: str,
        *,
        excerpt: str = "",
        means: str | None = None,
        to_do: str | None = None,
    ) -> None:
        super().__init__(service, what, means=means, to_do=to_do)
        self.excerpt = excerpt[:300]


class TamperedLog(IncidentScribeError):
    """The audit log is not what was written."""

    to_do = (
        "Keep a copy of the database as it is now and compare it with the last backup: "
        "through desk, flow and API nobody can change these tables."
    )


class NotFound(IncidentScribeError):
    """There is no such thing, or it belongs to another organization (which is not told apart)."""


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """What is wrong with one field of an input; `field` is a path such as `logs.3`."""

    field: str
    problem: str


class InvalidInput(IncidentScribeError):
    """An input was refused; `fields` says what is wrong with which of them."""

    def __init__(
        self,
        what: str,
        *,
        fields: Sequence[FieldProblem] = (),
        means: str | None = None,
        to_do: str | None = None,
    ) -> None:
        super().__init__(what, means=means, to_do=to_do)
        self.fields = tuple(fields)


class InvalidJson(InvalidInput):
    """A text that is not JSON; `line` and `column` count from 1, `excerpt` is plain text of several lines."""

    def __init__(self, what: str, *, line: int, column: int, excerpt: str, to_do: str | None = None) -> None:
        super().__init__(what, to_do=to_do)
        self.line = line
        self.column = column
        self.excerpt = excerpt


class ReasonRequired(InvalidInput):
    """A rejection without a reason."""


class Conflict(IncidentScribeError):
    """The request was good, the world has moved on."""


class AlreadyDecided(Conflict):
    """Somebody was faster: `by` whom, `at` what time, which `decision`, and the `reason` given."""

    def __init__(
        self,
        what: str,
        *,
        by: str | None = None,
        at: datetime | None = None,
        decision: str | None = None,
        reason: str | None = None,
        means: str | None = None,
        to_do: str | None = None,
    ) -> None:
        super().__init__(what, means=means, to_do=to_do)
        self.by = by
        self.at = at
        self.decision = decision
        self.reason = reason


class NotPending(Conflict):
    """The approval no longer waits for a decision."""


class Expired(Conflict):
    """The deadline for deciding has passed."""


class StaleContent(Conflict):
    """What was seen is not what is stored now."""

    to_do = "Read the current version, then decide again."


class StaleVersion(Conflict):
    """It was changed since it was read: last by whom, at what time, by which kind of event."""

    to_do = "Look at what has changed, then do it again if it is still right."

    def __init__(
        self,
        what: str,
        *,
        by: str | None = None,
        at: datetime | None = None,
        change: str | None = None,
        means: str | None = None,
        to_do: str | None = None,
    ) -> None:
        super().__init__(what, means=means, to_do=to_do)
        self.by = by
        self.at = at
        self.change = change


class LostLease(Conflict):
    """Another worker has taken the row over; its word counts."""


class NotPaused(Conflict):
    """Kestra's execution does not wait for anybody: not yet, or not any more."""
