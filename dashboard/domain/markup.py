"""Untrusted Markdown, understood once: what is left of it is a small tree that cannot act.

A model writes from hostile log lines, and people paste; so a text is parsed, and every way of writing it out
(screen, HTML, PDF, Markdown) starts from this tree. Paragraphs, lists, emphasis, code and citations stay.
Headings become bold lines, quotations their paragraphs, pictures their words; HTML, tables, formulas and
directives stay the letters they are. No address hides behind other words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

MAX_CHARACTERS = 50_000

# `reference` would hide an address from its reader; tables and struck text are no part of this preset.
_parser = MarkdownIt("commonmark", {"html": False, "maxNesting": 12}).disable(["reference", "html_block"])

# Controls, and the marks that turn the direction of text or take no room: what is read must be what is there.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff]")
_ADDRESS = re.compile(r"(?i)\b(?:https?://|www\.)[^\s<>\"'`\u00a0]+")
_TRAILING = ".,;:!?)]}*_"
CITATION = re.compile(r"\[(\d{1,3}(?:\s*,\s*\d{1,3}){0,19})\]")
# Only what is shown letter by letter may be pressed: no other alphabets, no name before an @, no odd signs.
_PRESSABLE = re.compile(
    r"https?://[A-Za-z0-9.-]+(?::\d{1,5})?(?:[/?#][A-Za-z0-9\-._~:/?#\[\]!$&'()*+,;=%]*)?"
)


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Code:
    text: str


@dataclass(frozen=True, slots=True)
class Address:
    """An address in the open; `pressable` when its scheme is allowed and it shows all it is."""

    url: str

    @property
    def pressable(self) -> bool:
        return _PRESSABLE.fullmatch(self.url) is not None


@dataclass(frozen=True, slots=True)
class Citation:
    """The numbers of evidence that a statement names, `[1, 2]` in the text."""

    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Break:
    """A new line within a paragraph."""


@dataclass(frozen=True, slots=True)
class Styled:
    strong: bool
    children: tuple[Inline, ...]


@dataclass(frozen=True, slots=True)
class Paragraph:
    children: tuple[Inline, ...]


@dataclass(frozen=True, slots=True)
class CodeBlock:
    text: str


@dataclass(frozen=True, slots=True)
class ItemList:
    """`start` is the first number; None: bullets."""

    start: int | None
    items: tuple[tuple[Block, ...], ...]


Inline = Text | Code | Address | Citation | Break | Styled
Block = Paragraph | CodeBlock | ItemList


def clean(text: str) -> str:
    """The text without what cannot be seen; line ends become `\\n`, halves of characters a sign for it."""
    whole = text.encode("utf-8", "replace").decode()
    return _UNSEEN.sub("", whole.replace("\r\n", "\n").replace("\r", "\n"))


def parse(text: str) -> tuple[Block, ...]:
    """The tree of a text; over 50,000 characters it is cut, and says so."""
    whole = clean(text)
    if len(whole) > MAX_CHARACTERS:
        whole = whole[:MAX_CHARACTERS] + "\n\n… cut: the text is longer than a document can show."
    return tuple(_blocks(SyntaxTreeNode(_parser.parse(whole)).children))


def _blocks(nodes: Iterable[SyntaxTreeNode]) -> Iterator[Block]:
    for node in nodes:
        if node.type in ("fence", "code_block"):
            yield CodeBlock(node.content.rstrip("\n"))
        elif node.type in ("bullet_list", "ordered_list"):
            start = int(node.attrs.get("start", 1)) if node.type == "ordered_list" else None
            yield ItemList(start, tuple(tuple(_blocks(item.children)) for item in node.children))
        elif node.type == "blockquote":
            yield from _blocks(node.children)
        elif node.type == "heading":
            if inside := _inlines(node.children):
                yield Paragraph((Styled(True, inside),))
        elif node.type == "paragraph" and (inside := _inlines(node.children)):
            yield Paragraph(inside)


def _inlines(nodes: Iterable[SyntaxTreeNode]) -> tuple[Inline, ...]:
    joined: list[Inline] = []
    for part in _raw_inlines(nodes):
        if isinstance(part, Text) and joined and isinstance(joined[-1], Text):
            joined[-1] = Text(joined[-1].text + part.text)
        elif part != Text(""):
            joined.append(part)
    return tuple(
        piece for part in joined for piece in (_pieces(part.text) if isinstance(part, Text) else [part])
    )


def _raw_inlines(nodes: Iterable[SyntaxTreeNode]) -> Iterator[Inline]:
    for node in nodes:
        if node.type == "inline":
            yield from _raw_inlines(node.children)
        elif node.type in ("softbreak", "hardbreak"):
            yield Break()
        elif node.type == "code_inline":
            yield Code(node.content)
        elif node.type in ("em", "strong"):
            if inside := _inlines(node.children):
                yield Styled(node.type == "strong", inside)
        elif node.type == "link":
            yield from _link(node)
        elif node.type == "image":
            yield Text(f"[picture: {node.content}] (")
            yield Address(str(node.attrs.get("src", "")))
            yield Text(")")
        else:
            yield Text(node.content)


def _link(node: SyntaxTreeNode) -> Iterator[Inline]:
    url = str(node.attrs.get("href", ""))
    words = "".join(_letters(node.children))
    if words == url:
        yield Address(url)
        return
    yield from _raw_inlines(node.children)
    yield Text(" (")
    yield Address(url)
    yield Text(")")


def _letters(nodes: Iterable[SyntaxTreeNode]) -> Iterator[str]:
    for node in nodes:
        yield node.content
        yield from _letters(node.children)


def _pieces(text: str) -> Iterator[Inline]:
    """A run of text as text, bare addresses and citations."""
    end = 0
    for found in _ADDRESS.finditer(text):
        url = found.group().rstrip(_TRAILING)
        yield from _with_citations(text[end : found.start()])
        yield Address(url)
        end = found.start() + len(url)
    yield from _with_citations(text[end:])


def _with_citations(text: str) -> Iterator[Inline]:
    end = 0
    for found in CITATION.finditer(text):
        if found.start() > end:
            yield Text(text[end : found.start()])
        yield Citation(tuple(int(number) for number in found[1].split(",")))
        end = found.end()
    if end < len(text):
        yield Text(text[end:])


def walk(blocks: Iterable[Block]) -> Iterator[Inline]:
    """Every part of every line of a tree, in reading order."""
    for line in _plain_lines(blocks):
        if not isinstance(line, str):
            yield from _inside(line)


def _inside(inlines: Iterable[Inline]) -> Iterator[Inline]:
    for part in inlines:
        yield part
        if isinstance(part, Styled):
            yield from _inside(part.children)


def plain(blocks: Iterable[Block]) -> str:
    """All letters of a tree, a block a line; citations left out. For comparing and for excerpts."""
    return "\n".join(
        " ".join("".join(_plain_inlines(line)).split()) if not isinstance(line, str) else line
        for line in _plain_lines(blocks)
    )


def _plain_lines(blocks: Iterable[Block]) -> Iterator[tuple[Inline, ...] | str]:
    for block in blocks:
        if isinstance(block, Paragraph):
            yield block.children
        elif isinstance(block, CodeBlock):
            yield block.text
        else:
            for item in block.items:
                yield from _plain_lines(item)


def _plain_inlines(inlines: Iterable[Inline]) -> Iterator[str]:
    for part in inlines:
        if isinstance(part, (Text, Code)):
            yield part.text
        elif isinstance(part, Address):
            yield part.url
        elif isinstance(part, Break):
            yield " "
        elif isinstance(part, Styled):
            yield from _plain_inlines(part.children)
