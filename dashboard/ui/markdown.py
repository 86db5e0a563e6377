"""The one function that shows untrusted Markdown: documents of a model, sections of people, notes."""

from __future__ import annotations

from collections.abc import Collection

from dashboard.domain.markup import Address, parse
from dashboard.domain.rewrite import Dialect, code_span, to_markdown
from dashboard.ui.text import escape_line

__all__ = ["cite", "safe_markdown"]


def safe_markdown(text: str, *, known: Collection[int] = (), links: bool = False) -> str:
    """A foreign text of several lines: paragraphs, lists, emphasis and code stay, everything else is text.

    Addresses become code: visible, to be copied, not to be pressed. With `links`, for what people of the
    organization wrote, http and https can be pressed, and the whole address stands in the open.
    `[1, 2]` becomes a link to the evidence of these numbers, as far as they are `known`.
    """

    def cited(numbers: tuple[int, ...]) -> str:
        if not known or not set(numbers) <= set(known):
            return escape_line(f"[{', '.join(map(str, numbers))}]")
        return cite(numbers)

    def address(found: Address) -> str:
        if links and found.pressable:
            return f"[{escape_line(found.url)}](<{found.url}>)"
        return code_span(found.url)

    return to_markdown(parse(text), Dialect(text=escape_line, cite=cited, address=address))


def cite(numbers: Collection[int]) -> str:
    """Numbers of evidence as small links to the items of the page's evidence panel."""
    return " ".join(f":small[[{number}](#evidence-{number})]" for number in numbers)
