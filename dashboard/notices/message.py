"""What a notice says: a title, a few lines, one link. Plain text; each channel escapes it in its own way."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import Field

from dashboard.domain.clock import parse_instant
from dashboard.domain.severity import Severity
from dashboard.domain.shape import Instant, Json, Shape, Texts
from dashboard.routes import APPROVAL, INCIDENT

# Controls, and the marks that turn the direction of text or cannot be seen.
_UNSEEN: Final = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=False,  # noqa: S701 (plain text, which the channel it goes by escapes)
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class NoticedIncident(Shape):
    """The incident as a notice names it; without credentials, by the database."""

    id: str
    external_id: str
    service: str
    severity: Severity
    title: str


class Notice(Shape):
    """The payload of an outbox row of kind `notice`."""

    event: str
    channel: str
    to: Texts = ()
    incident: NoticedIncident
    approval_id: str | None = None
    statement: str | None = None
    deadline_at: Instant | None = None
    facts: Json = Field(default_factory=dict)

    @property
    def is_about_waiting(self) -> bool:
        """Whether it asks for a decision, which may have been given since."""
        return self.event in ("waiting", "reminded", "second_line", "nobody_can_decide")


@dataclass(frozen=True, slots=True)
class Message:
    """`title` is one line; `lines` are short sentences; `link` opens the page it is about."""

    title: str
    lines: tuple[str, ...]
    link: str
    link_text: str


def compose(notice: Notice, desk_url: str) -> Message:
    """Write a notice. Raises jinja2.TemplateError for an event there is no template of."""
    text = _templates.get_template(f"{notice.event}.txt").render(
        incident={name: _flat(value) for name, value in notice.incident.model_dump(mode="json").items()},
        statement=_flat(notice.statement or ""),
        deadline=f"{notice.deadline_at:%Y-%m-%d %H:%M} UTC" if notice.deadline_at else "",
        facts={name: _flat(value) for name, value in notice.facts.items()},
        since=_moment(notice.facts.get("since")),
    )
    title, *lines = (line.strip() for line in text.splitlines() if line.strip())
    route = APPROVAL if notice.approval_id else INCIDENT
    path = route.link(id=notice.approval_id or notice.incident.id)
    return Message(title, tuple(lines), desk_url + path, f"Open the {route.title.lower()}")


def _flat(value: Any) -> str:
    """One line of what can be seen."""
    return " ".join(_UNSEEN.sub(" ", "" if value is None else str(value)).split())


def _moment(value: Any) -> str:
    return f"{parse_instant(value):%Y-%m-%d %H:%M} UTC" if isinstance(value, str) else ""
