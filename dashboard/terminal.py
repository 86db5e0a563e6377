"""Text from elsewhere on a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """One line of text in which nothing steers the terminal."""
    return "".join(sign if sign.isprintable() or sign == "\t" else "\ufffd" for sign in text)
