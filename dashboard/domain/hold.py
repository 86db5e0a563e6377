"""Workers on hold: why, and what Kestra knows that the database does not."""

from __future__ import annotations

from pydantic import Field

from dashboard.domain.shape import Instant, Shape


class Hold(Shape):
    """While it stands, workers act on nothing. `runs` are forgotten whole, `acted` carried something out."""

    id: int
    reason: str
    begun_by: str
    began_at: Instant
    runs: int = 0
    acted: int = 0


class ForgottenAction(Shape):
    """What a run says to have carried out."""

    action_key: str = ""
    outcome: str = ""
    verified: bool = False
    code: int | None = None


class ForgottenRun(Shape):
    """An execution at Kestra with something that this database does not know.

    `known`: the run itself is known here, and only what it carried out is not.
    """

    kestra_execution_id: str
    known: bool = False
    external_id: str | None = None
    service: str | None = None
    severity: str | None = None
    title: str | None = None
    state: str
    started_at: Instant | None = None
    actions: tuple[ForgottenAction, ...] = Field(default=())


class Released(Shape):
    """What releasing a hold changed."""

    withdrawn_starts: int = 0
    cancelled_approvals: int = 0
