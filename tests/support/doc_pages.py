"""The pages that people read, as their parts: fenced blocks, inline code, links, headings."""

import re
import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("kestra/*.md")]
    if page.is_file()
)

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```", re.DOTALL | re.MULTILINE
)
_LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")


class Block(NamedTuple):
    """A fenced block: where it is, its language as written, and its text without the indentation."""

    place: str
    language: str
    text: str


def name(page: Path) -> str:
    """As people write it."""
    return str(page.relative_to(ROOT))


def blocks(*languages: str) -> Iterator[Block]:
    """The blocks in these languages, of all pages."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for found in _FENCE.finditer(text):
            if found["language"] in languages:
                line = text.count("\n", 0, found.start()) + 1
                yield Block(f"{name(page)}:{line}", found["language"], textwrap.dedent(found["text"]))


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def inline_code() -> Iterator[tuple[str, str]]:
    """Page and text of everything between single backticks."""
    for page in PAGES:
        for found in re.findall(r"(?<!`)`([^`\n]+)`(?!`)", prose(page)):
            yield name(page), found


def links(page: Path) -> list[tuple[str, str]]:
    """(path, anchor) of every link within the project; the path is empty for one within the page."""
    targets = [found["target"] for found in _LINK.finditer(prose(page))]
    return [
        (path, anchor)
        for path, _, anchor in (target.partition("#") for target in targets if "://" not in target)
    ]


def anchors(page: Path) -> set[str]:
    """What a link may name behind the `#`, as the usual readers of Markdown make it of the headings."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def words(line: str) -> Iterator[list[str]]:
    """The words of each program of a shell line: without the redirections, split where a pipe or `&&` is."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";<>|&")
    lexer.whitespace_split = True
    found: list[str] = []
    tokens = iter(lexer)
    for token in tokens:
        if token in {"<", ">", ">>"}:
            next(tokens)
        elif token in {"|", "&&", "||", ";", "&"}:
            yield found
            found = []
        else:
            found.append(token)
    if found:
        yield found


def commands(text: str) -> list[str]:
    """The lines of a shell block: continued ones are joined, comments and blank ones left out."""
    joined = re.sub(r"\\\n\s*", " ", text)
    # A quoted text may go over lines.
    found: list[str] = []
    for line in joined.splitlines():
        if found and found[-1].count("'") % 2:
            found[-1] += "\n" + line
        elif line.strip() and not line.startswith("#"):
            found.append(line)
    return found
