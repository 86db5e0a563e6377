"""What a search found, within its text: the marks become bold only after everything else was escaped."""

from __future__ import annotations

import re

from dashboard.ui.text import clean, escape, escape_line

# As the database sets them; it takes these characters out of the text before.
_MARKED = re.compile("\x02([^\x02\x03]*)\x03")


def highlighted(marked: str) -> str:
    """One line of Markdown: the text letter by letter, the words that were found bold and on a ground."""
    parts, end = [], 0
    for found in _MARKED.finditer(marked):
        word = escape(found[1])
        parts.append(_flat(marked[end : found.start()]))
        parts.append(f":yellow-background[**{word}**]" if word else "")
        end = found.end()
    return "".join([*parts, _flat(marked[end:])]).strip()


def _flat(text: str) -> str:
    return escape_line(re.sub(r"\s+", " ", clean(text)))
