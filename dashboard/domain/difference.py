"""What differs between two texts, for people: line by line, with the words that changed."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    SAME = "same"
    REMOVED = "removed"
    ADDED = "added"


class Piece(NamedTuple):
    """Some words of a line, and whether just they changed."""

    text: str
    changed: bool


class Line(NamedTuple):
    """A line of either text, in pieces."""

    kind: Kind
    pieces: tuple[Piece, ...]

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces)


_WORDS = re.compile(r"\s+|\w+|[^\w\s]")
_ALIKE = 0.5  # below this, two lines have too little in common for their words to be compared


def difference(before: str, after: str, *, context: int = 2) -> tuple[Line, ...]:
    """The changed lines with some unchanged ones around them; equal texts have none."""
    old, new = before.splitlines(), after.splitlines()
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    lines: list[Line] = []
    for group in matcher.get_grouped_opcodes(context):
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                lines += [Line(Kind.SAME, (Piece(text, False),)) for text in old[i1:i2]]
            else:
                lines += _changed(old[i1:i2], new[j1:j2])
    return tuple(lines)


def _changed(old: list[str], new: list[str]) -> Iterator[Line]:
    pairs = list(zip(old, new, strict=False))
    for before, after in pairs:
        yield from _pair(before, after)
    for text in old[len(pairs) :]:
        yield Line(Kind.REMOVED, (Piece(text, True),))
    for text in new[len(pairs) :]:
        yield Line(Kind.ADDED, (Piece(text, True),))


def _pair(before: str, after: str) -> tuple[Line, Line]:
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    if matcher.ratio() < _ALIKE:
        return Line(Kind.REMOVED, (Piece(before, True),)), Line(Kind.ADDED, (Piece(after, True),))
    removed: list[Piece] = []
    added: list[Piece] = []
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if i2 > i1:
            removed.append(Piece("".join(old[i1:i2]), tag != "equal"))
        if j2 > j1:
            added.append(Piece("".join(new[j1:j2]), tag != "equal"))
    return Line(Kind.REMOVED, tuple(removed)), Line(Kind.ADDED, tuple(added))
