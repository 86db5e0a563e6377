"""Text from outside on the screen: nothing in it may act, look like a link of ours or load anything.

Streamlit reads Markdown, directives (`:red[…]`), icons (`:material/…:`), emoji codes, math and bare addresses
in almost every string it draws, labels and titles included. So each foreign text goes through one of these.
"""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

_WORD_JOINER = "\u2060"

# Controls, and the marks that turn the direction of text: what is read must be what is there.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff]")
_SPECIAL = re.compile(r"[\\`*_~\[\](){}<>#|$!&^=+\-]")
# A backslash does not stop what is replaced after parsing; an invisible mark behind the sign does.
# A time of day is left alone: no icon, emoji or address looks like `10:02:11`.
_COLON = re.compile(r":(?=\S)(?!\d\d(?!\w))")
_WWW = re.compile(r"(?i)\bwww(?=\.)")
_URL = re.compile(r"(?i)\b(?:https?://|www\.)[^\s`]+")

_parser = MarkdownIt("commonmark", {"html": False}).disable(
    [
        "link",
        "image",
        "autolink",
        "html_block",
        "html_inline",
        "reference",
        "heading",
        "lheading",
        "hr",
        "blockquote",
    ]
)


def clean(text: str) -> str:
    """The text without what cannot be seen; line ends become `\\n`."""
    return _UNSEEN.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def escape(text: str) -> str:
    """A foreign text for one line of Markdown or a label: shown letter by letter."""
    return _escaped(" ".join(clean(text).split()))


def code(text: str) -> str:
    """A foreign text as an inline code span, which can be copied as it is."""
    flat = " ".join(clean(text).split())
    if not flat:
        return ""
    fence = "`" * (_longest_run(flat) + 1)
    pad = " " if flat.startswith("`") or flat.endswith("`") else ""
    return f"{fence}{pad}{flat}{pad}{fence}"


def safe_markdown(text: str) -> str:
    """A foreign text of several lines: paragraphs, lists, emphasis and code stay, everything else is text.

    Addresses become code: visible, to be copied, not to be pressed.
    """
    tree = SyntaxTreeNode(_parser.parse(clean(text)))
    return "\n\n".join("\n".join(_block(node)) for node in tree.children)


def _escaped(text: str) -> str:
    text = _SPECIAL.sub(r"\\\g<0>", text)
    text = _COLON.sub("\\:" + _WORD_JOINER, text)
    text = text.replace("@", "@" + _WORD_JOINER)
    text = _WWW.sub(r"\g<0>" + _WORD_JOINER, text)
    return re.sub(r"^(\d+)([.)])", r"\1\\\2", text)


def _block(node: SyntaxTreeNode) -> list[str]:
    if node.type in ("fence", "code_block"):
        fence = "`" * max(3, _longest_run(node.content) + 1)
        return [fence, *node.content.rstrip("\n").split("\n"), fence]
    if node.type in ("bullet_list", "ordered_list"):
        first = int(node.attrs.get("start", 1)) if node.type == "ordered_list" else 0
        return [
            line
            for number, item in enumerate(node.children, first)
            for line in _item(item, f"{number}. " if node.type == "ordered_list" else "- ")
        ]
    return "".join(_inline(child) for child in node.children).split("\n")


def _item(item: SyntaxTreeNode, marker: str) -> list[str]:
    lines = [line for block in item.children for line in ["", *_block(block)]][1:] or [""]
    return [marker + lines[0], *((" " * len(marker) + line) if line else "" for line in lines[1:])]


def _inline(node: SyntaxTreeNode) -> str:
    if node.type == "inline":
        return "".join(_inline(child) for child in node.children)
    if node.type in ("softbreak", "hardbreak"):
        return "\n" if node.type == "softbreak" else "\\\n"
    if node.type == "code_inline":
        return code(node.content)
    if node.type in ("em", "strong"):
        inner = "".join(_inline(child) for child in node.children)
        mark = "**" if node.type == "strong" else "*"
        return f"{mark}{inner}{mark}"
    return _with_addresses_as_code(node.content)


def _with_addresses_as_code(text: str) -> str:
    parts, end = [], 0
    for address in _URL.finditer(text):
        parts += [_escaped(text[end : address.start()]), code(address.group())]
        end = address.end()
    return "".join([*parts, _escaped(text[end:])])


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)
