"""A cursor over one clause of a query string."""

import re
from typing import NoReturn

from sandbox.supabase.gateway.errors import ApiError

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_NAME = re.compile(r"[\w$ ]+(?:-[\w$ ]+)*")
_DEEPEST = 40
"""Nested parentheses; far above any honest query, far below Python's recursion limit."""


class Scanner:
    """Reads `text` from left to right; what does not fit raises PGRST100, naming the place."""

    def __init__(self, text: str, clause: str) -> None:
        self.text = text
        self.clause = clause
        self.position = 0
        self._depth = 0

    @property
    def at_end(self) -> bool:
        return self.position == len(self.text)

    def take(self, literal: str) -> bool:
        """Steps over `literal` if it comes next."""
        if not self.text.startswith(literal, self.position):
            return False
        self.position += len(literal)
        return True

    def expect(self, literal: str) -> None:
        if not self.take(literal):
            self.fail(f'"{literal}"')

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Steps over what `pattern` matches here."""
        found = pattern.match(self.text, self.position)
        if found:
            self.position = found.end()
        return found

    def peek(self, literal: str) -> bool:
        return self.text.startswith(literal, self.position)

    def quoted(self) -> str | None:
        """The content of a `"…"` that starts here, its backslash escapes resolved."""
        found = self.match(_QUOTED)
        return re.sub(r"\\(.)", r"\1", found[1], flags=re.DOTALL) if found else None

    def name(self) -> str:
        """A column, relation, alias or constraint name, quoted or not."""
        quoted = self.quoted()
        if quoted is not None:
            return quoted
        found = self.match(_NAME)
        name = found[0].strip() if found else ""
        if not name:
            self.fail("a name (letters, digits, _ or $; anything else in double quotes)")
        return name

    def open(self) -> None:
        """Steps into a parenthesis."""
        self.expect("(")
        self._depth += 1
        if self._depth > _DEEPEST:
            self.fail(f"at most {_DEEPEST} nested parentheses")

    def close(self) -> None:
        self.expect(")")
        self._depth -= 1

    def end(self) -> None:
        if not self.at_end:
            self.fail("end of input")

    def fail(self, expecting: str) -> NoReturn:
        found = f'"{self.text[self.position]}"' if not self.at_end else "end of input"
        raise ApiError(
            400,
            "PGRST100",
            f'"failed to parse {self.clause} ({self.text})" (line 1, column {self.position + 1})',
            f"unexpected {found} expecting {expecting}",
        )
