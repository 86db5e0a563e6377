"""What is wrong with the installation, for as long as it is."""

from __future__ import annotations

from dashboard.domain.shape import Instant, Shape


class Alarm(Shape):
    """One thing that is wrong for as long as the row stands: what, what it means, what to do.

    `kind` is kestra_unreachable, kestra_other (its `subject` is the uuid of the Kestra that is
    missed), kestra_unknown_runs or on_hold.
    """

    id: int
    kind: str
    subject: str = ""
    sentence: str
    means: str
    to_do: str
    raised_at: Instant
    seen_at: Instant

    @property
    def can_be_declared_gone(self) -> bool:
        """Whether `declare_kestra_gone` is an answer to it."""
        return self.kind in ("kestra_other", "kestra_unknown_runs")

    @property
    def is_hold(self) -> bool:
        """Whether it says that the workers act on nothing until a person releases them."""
        return self.kind == "on_hold"
