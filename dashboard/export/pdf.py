"""A postmortem as PDF, with fonts of its own; a letter they do not have becomes a box that can be seen."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from pathlib import Path

from fpdf import FPDF
from fpdf.enums import XPos, YPos

from dashboard.domain.document import Document
from dashboard.domain.markup import (
    Address,
    Block,
    Break,
    Citation,
    Code,
    CodeBlock,
    Inline,
    Paragraph,
    Styled,
    Text,
    clean,
)
from dashboard.export.outline import Entry, Heading, Note, Pairs, Part, Prose, outline

_FONTS = Path(__file__).parent / "fonts"
_MISSING = "\u25a1"
_SIZES = {1: 18, 2: 13}
_TEXT, _SMALL, _LINE = 10.0, 8.5, 5.2  # points, points, millimetres


def to_pdf(document: Document) -> bytes:
    """A4, with an outline, page numbers, and citations that lead to their evidence."""
    pdf = _Pdf(document)
    for part in outline(document):
        pdf.part(part)
    return bytes(pdf.output())


class _Pdf(FPDF):
    def __init__(self, document: Document) -> None:
        super().__init__(format="A4")
        self.add_font("sans", "", _FONTS / "DejaVuSans.ttf")
        self.add_font("sans", "B", _FONTS / "DejaVuSans-Bold.ttf")
        self.add_font("mono", "", _FONTS / "DejaVuSansMono.ttf")
        self.set_auto_page_break(True, margin=20)
        self.set_margins(20, 18)
        self.set_lang("en")
        self._about = f"Postmortem {clean(document.incident.external_id)}"
        self.set_title(f"{self._about}: {clean(document.incident.title)}")
        self.set_creator("IncidentScribe")
        self.add_page()
        # Citations come before the evidence they lead to; the place is set when it is known.
        self._evidence = {number: self.add_link(page=1) for number in sorted(document.known)}

    def footer(self) -> None:
        self.set_y(-14)
        self._font("sans", "", _SMALL, 100)
        self.cell(0, 6, self._shown(f"{self._about}, page {self.page_no()}"), align="C")

    def part(self, part: Part) -> None:
        if isinstance(part, Heading):
            self._heading(part)
        elif isinstance(part, Note):
            self._font("sans", "", _SMALL, 90)
            self._lines(part.text, 4.6)
        elif isinstance(part, Pairs):
            for name, value in part.rows:
                self._font("sans", "B", _TEXT)
                self.write(_LINE, self._shown(f"{name}: "))
                self._font("sans", "", _TEXT)
                self._lines(value)
            self.ln(1)
        elif isinstance(part, Prose):
            self._blocks(part.blocks)
        else:
            for entry in part.entries:
                self._entry(entry)

    def _heading(self, heading: Heading) -> None:
        if heading.level > 1:
            self.ln(3)
            if self.will_page_break(24):
                self.add_page()
        self._font("sans", "B", _SIZES[heading.level])
        self.start_section(self._shown(" ".join(heading.text.split())[:120]) or "-", level=0)
        self._lines(heading.text, 7)

    def _blocks(self, blocks: Iterable[Block], marker: str = "", indent: float = 0) -> None:
        for number, block in enumerate(blocks):
            mark = marker if number == 0 else ""
            self._indented(indent)
            if isinstance(block, Paragraph):
                self._font("sans", "", _TEXT)
                self.write(_LINE, self._shown(mark))
                self._inlines(block.children)
                self.ln(_LINE + 1.2)
            elif isinstance(block, CodeBlock):
                self._font("mono", "", 8.5)
                for line in block.text.split("\n"):
                    self._indented(indent)
                    self._lines(line or " ", 4.4)
                self.ln(1.2)
            else:
                for count, item in enumerate(block.items, block.start or 0):
                    bullet = "\u2022 " if block.start is None else f"{count}. "
                    self._blocks(item or (Paragraph((Text(" "),)),), bullet, min(indent + 5, 60))
        self.set_left_margin(20)

    def _indented(self, indent: float) -> None:
        self.set_left_margin(20 + indent)
        self.set_x(20 + indent)

    def _entry(self, entry: Entry) -> None:
        if entry.anchor.startswith("evidence-"):
            self.set_link(self._evidence[int(entry.label)], y=self.get_y(), page=self.page)
        self._font("sans", "B", _TEXT)
        self.write(_LINE, self._shown(f"{entry.label}  "))
        self._inlines(entry.inlines)
        self.ln(_LINE)
        if entry.small:
            self._font("sans", "", _SMALL, 90)
            self._lines(entry.small, 4.4)
        self.ln(1)

    def _inlines(self, inlines: Iterable[Inline], style: str = "") -> None:
        for part in inlines:
            self._font("sans", style, _TEXT)
            if isinstance(part, Text):
                self.write(_LINE, self._shown(part.text))
            elif isinstance(part, Code):
                self._font("mono", "", 9)
                self.write(_LINE, self._shown(part.text))
            elif isinstance(part, Address):
                self.write(_LINE, self._shown(part.url), link=part.url if part.pressable else "")
            elif isinstance(part, Break):
                self.ln(_LINE)
            elif isinstance(part, Citation):
                self._cite(part.numbers)
            elif isinstance(part, Styled):
                # There is no slanted face: emphasis of either kind is bold.
                self._inlines(part.children, "B")

    def _cite(self, numbers: Iterable[int]) -> None:
        self.set_text_color(0, 90, 141)
        for number in numbers:
            mark = f"[{number}]"
            if self.get_x() + self.get_string_width(mark) > self.w - self.r_margin - 1:
                self.ln(_LINE)
            self.write(_LINE, mark, link=self._evidence.get(number, ""))
        self.set_text_color(0)

    def _lines(self, text: str, height: float = _LINE) -> None:
        self.multi_cell(0, height, self._shown(text) or " ", new_x=XPos.LMARGIN, new_y=YPos.NEXT, align="L")

    def _font(self, family: str, style: str, size: float, grey: int = 0) -> None:
        self.set_font(family, style, size)
        self.set_text_color(grey)

    def _shown(self, text: str) -> str:
        """The text in letters that the font in use has; marks that combine go where they cannot stand."""
        has = self.current_font.cmap  # type: ignore[union-attr]
        return "".join(
            letter if letter in "\n\t " or ord(letter) in has else "" if _is_silent(letter) else _MISSING
            for letter in clean(text).replace("\t", "    ")
        )


def _is_silent(letter: str) -> bool:
    """Whether a letter is no letter of its own: joiners and selectors of variants."""
    return unicodedata.category(letter) in ("Cf", "Mn", "Me") or 0xFE00 <= ord(letter) <= 0xFE0F
