"""Text from outside on the screen: nothing in it may act, look like a link of ours or load anything.

Streamlit reads Markdown, directives (`:red[…]`), icons (`:material/…:`), emoji codes, math and bare addresses
in almost every string it draws, labels and titles included. So each foreign text goes through one of these.
"""

from __future__ import annotations

import re

from dashboard.domain.markup import clean
from dashboard.domain.rewrite import code_span as code

__all__ = ["clean", "code", "escape", "escape_line"]

_WORD_JOINER = "\u2060"

_SPECIAL = re.compile(r"[\\`*_~\[\](){}<>#|$!&^=+\-]")
# A backslash does not stop what is replaced after parsing; an invisible mark behind the sign does.
# A time of day is left alone: no icon, emoji or address looks like `10:02:11`.
_COLON = re.compile(r":(?=\S)(?!\d\d(?!\w))")
# `--`, `->`, `>=` and their like are drawn as one sign otherwise, and `--force` is no dash.
_PAIRED = re.compile(r"(?<=[<>~-])(?=[-=>])")
_WWW = re.compile(r"(?i)\bwww(?=\.)")


def escape(text: str) -> str:
    """A foreign text for one line of Markdown or a label: shown letter by letter."""
    return escape_line(" ".join(clean(text).split()))


def escape_line(text: str) -> str:
    """A foreign text without line ends, its blanks kept: for a place within a line of Markdown."""
    text = _PAIRED.sub(_WORD_JOINER, text)
    text = _SPECIAL.sub(r"\\\g<0>", text)
    text = _COLON.sub("\\:" + _WORD_JOINER, text)
    text = text.replace("@", "@" + _WORD_JOINER)
    text = _WWW.sub(r"\g<0>" + _WORD_JOINER, text)
    return re.sub(r"^(\d+)([.)])", r"\1\\\2", text)
