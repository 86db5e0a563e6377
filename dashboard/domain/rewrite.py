"""A tree of `markup` as Markdown again: each kind of reader has its own way of writing the leaves."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from dashboard.domain.markup import (
    Address,
    Block,
    Break,
    Citation,
    Code,
    CodeBlock,
    Inline,
    Paragraph,
    Text,
    clean,
)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How the leaves of a tree are written as Markdown for one reader."""

    text: Callable[[str], str]
    cite: Callable[[tuple[int, ...]], str]
    address: Callable[[Address], str]


def to_markdown(blocks: Iterable[Block], dialect: Dialect) -> str:
    """A tree as Markdown again, each leaf by the dialect."""
    return "\n\n".join("\n".join(_lines(block, dialect)) for block in blocks)


def _lines(block: Block, dialect: Dialect) -> list[str]:
    if isinstance(block, CodeBlock):
        fence = "`" * max(3, longest_run(block.text) + 1)
        return [fence, *block.text.split("\n"), fence]
    if isinstance(block, Paragraph):
        return inline_markdown(block.children, dialect).split("\n")
    lines: list[str] = []
    for number, item in enumerate(block.items, block.start or 0):
        marker = "- " if block.start is None else f"{number}. "
        inside = [line for part in item for line in ["", *_lines(part, dialect)]][1:] or [""]
        lines.append(marker + inside[0])
        lines += [(" " * len(marker) + line) if line else "" for line in inside[1:]]
    return lines


def inline_markdown(inlines: Iterable[Inline], dialect: Dialect) -> str:
    """One line of Markdown, or several where the text breaks."""
    return "".join(_leaf(part, dialect) for part in inlines).strip(" ")


def _leaf(part: Inline, dialect: Dialect) -> str:
    if isinstance(part, Text):
        return dialect.text(part.text)
    if isinstance(part, Code):
        return code_span(part.text)
    if isinstance(part, Address):
        return dialect.address(part)
    if isinstance(part, Citation):
        return dialect.cite(part.numbers)
    if isinstance(part, Break):
        return "\n"
    inner = inline_markdown(part.children, dialect)
    mark = "**" if part.strong else "*"
    # Marks that touch blanks would be shown as stars.
    return f"{mark}{inner}{mark}" if inner and not _touches_blank(inner) else inner


def _touches_blank(text: str) -> bool:
    return any(letter.isspace() or unicodedata.category(letter) == "Zs" for letter in (text[0], text[-1]))


def code_span(text: str) -> str:
    """A text as an inline code span of Markdown, to be copied as it is."""
    flat = " ".join(clean(text).split())
    if not flat:
        return ""
    fence = "`" * (longest_run(flat) + 1)
    pad = " " if flat.startswith("`") or flat.endswith("`") else ""
    return f"{fence}{pad}{flat}{pad}{fence}"


def longest_run(text: str) -> int:
    """Length of the longest run of backticks."""
    return max((len(run) for run in re.findall("`+", text)), default=0)
