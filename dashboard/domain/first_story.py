"""The first story of a demo: three steps, and how far they have come."""

from __future__ import annotations

from dashboard.domain.approval import ApprovalStatus
from dashboard.domain.shape import Shape, Texts


class FirstStory(Shape):
    """The MEDIUM incident that came furthest, as the signed-in person sees it."""

    incident_id: str | None = None
    external_id: str | None = None
    approval_id: str | None = None
    approval_status: ApprovalStatus | None = None
    may_decide: bool = False
    deciders: Texts = ()
    decided_by_name: str | None = None
    is_written: bool = False

    @property
    def is_submitted(self) -> bool:
        return self.incident_id is not None

    @property
    def has_asked(self) -> bool:
        return self.approval_id is not None

    @property
    def is_decided(self) -> bool:
        return self.decided_by_name is not None

    @property
    def done(self) -> int:
        """How many of the three steps are done."""
        return sum((self.is_submitted, self.has_asked, self.is_decided))

    @property
    def ended_undecided(self) -> bool:
        """It asked, and nobody decided in time or the run ended: the story needs another incident."""
        return self.has_asked and not self.is_decided and self.approval_status is not ApprovalStatus.PENDING
