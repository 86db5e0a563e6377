"""A postmortem as Markdown for other tools: what was text here is text there."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dashboard.domain.document import Document
from dashboard.domain.markup import Address, Inline
from dashboard.domain.rewrite import Dialect, code_span, inline_markdown
from dashboard.domain.rewrite import to_markdown as blocks_to_markdown
from dashboard.export.outline import Entries, Heading, Note, Pairs, Part, Prose, outline

_SPECIAL = re.compile(r"[\\`*_\[\]<>#|~$&]")
_BEGIN = re.compile(r"^(\s*)([-+=]|\d+(?=[.)]))")


def to_markdown(document: Document) -> bytes:
    """UTF-8."""
    text = "\n\n".join(part for one in outline(document) if (part := _part(one)))
    return (text + "\n").encode("utf-8", "replace")


def _part(part: Part) -> str:
    if isinstance(part, Heading):
        return f"{'#' * part.level} {_text(' '.join(part.text.split()))}"
    if isinstance(part, Note):
        return f"*{_text(' '.join(part.text.split()))}*"
    if isinstance(part, Pairs):
        return "\n".join(
            f"- **{_text(name)}:** {_text(' '.join(value.split()))}" for name, value in part.rows
        )
    if isinstance(part, Prose):
        return blocks_to_markdown(part.blocks, _DIALECT)
    return "\n".join(_entries(part))


def _entries(part: Entries) -> Iterator[str]:
    for entry in part.entries:
        line = " ".join(_inlines(entry.inlines).split())
        small = f"  \n  {_text(' '.join(entry.small.split()))}" if entry.small else ""
        yield f"- **{_text(' '.join(entry.label.split()))}** {line}{small}"


def _inlines(inlines: tuple[Inline, ...]) -> str:
    return inline_markdown(inlines, _DIALECT)


def _text(text: str) -> str:
    escaped = _SPECIAL.sub(r"\\\g<0>", text)
    escaped = _BEGIN.sub(lambda found: f"{found[1]}{_behind_backslash(found[2])}", escaped)
    # Elsewhere a name behind an @ would call somebody.
    return escaped.replace("@", "@\u2060")


def _behind_backslash(sign: str) -> str:
    return sign + "\\" if sign.isdigit() else "\\" + sign


def _address(address: Address) -> str:
    return f"<{address.url}>" if address.pressable else code_span(address.url)


_DIALECT = Dialect(
    text=_text,
    cite=lambda numbers: _text(f"[{', '.join(map(str, numbers))}]"),
    address=_address,
)
