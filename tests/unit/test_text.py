"""Foreign text cannot act on the screen."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from dashboard.ui.markdown import safe_markdown
from dashboard.ui.text import clean, code, escape

HOSTILE = [
    "![x](https://evil.example/?leak)",
    "[Approve](https://evil.example)",
    "<img src=x onerror=alert(1)>",
    "<https://evil.example>",
    ":red[all is well]",
    ":red-badge[approved]",
    ":material/check_circle: done",
    ":tada: :+1: :100:",
    "$\\href{https://evil.example}{x}$",
    "https://evil.example/a and www.evil.example and a@evil.example",
    "```mermaid\ngraph TD; A-->B\n```",
    "# heading\n\n> quote\n\n---\n\n| a | b |\n|---|---|\n| 1 | 2 |",
    "[x]: https://evil.example\n\n[x]",
    "\u202eesrever",
    "&#58;red&#91;x&#93;",
    "1. one",
    "`` ` ``",
    "a\\",
]
# What Streamlit's front end replaces after Markdown is parsed, in text but never in code.
REPLACED = re.compile(r":[\w+-]+:|:material/|https?://|www\.|[\w.+-]+@[\w-]+\.", re.IGNORECASE)

reader = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def tokens(markdown: str) -> list[tuple[str, str]]:
    """Kinds and contents of everything in it, inline parts included."""
    found = []
    for block in reader.parse(markdown):
        found.append((block.type, block.content if block.type in ("fence", "code_block") else ""))
        found += [(part.type, part.content) for part in block.children or []]
    return found


def assert_harmless(markdown: str) -> None:
    for kind, content in tokens(markdown):
        assert kind not in {"image", "link_open", "html_inline", "html_block", "heading_open", "table_open"}
        if kind == "text":
            assert not REPLACED.search(content), content
    # Directives and math begin with a bare sign: each is behind a backslash, outside of code.
    # A backtick behind a backslash begins no code.
    code_spans = r"(?<!\\)((?:\\\\)*)(?<!`)(`+)(?!`).*?(?<!`)\2(?!`)"
    outside = re.sub(code_spans, r"\1", markdown, flags=re.DOTALL)
    assert not re.search(r"(?<!\\)(?:\\\\)*:\w+[\[-]", outside)
    assert not re.search(r"(?<!\\)(?:\\\\)*\$", outside)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_does_nothing_in_a_label(text: str) -> None:
    assert_harmless(escape(text))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_does_nothing_in_a_document(text: str) -> None:
    assert_harmless(safe_markdown(text))


@given(st.text(alphabet=st.sampled_from("ab1 \n\\`*_~[](){}<>#|$!&^=+-:/.@w\u202e\t"), max_size=60))
def test_nothing_made_of_signs_acts(text: str) -> None:
    assert_harmless(escape(text))
    assert_harmless(safe_markdown(text))


@given(st.text(max_size=80))
def test_a_label_reads_as_it_was_written(text: str) -> None:
    shown = "".join(content for kind, content in tokens(escape(text)) if kind in ("text", "text_special"))
    assert shown.replace("\u2060", "") == " ".join(clean(text).split())


@given(st.text(alphabet=st.sampled_from("ab` \\"), min_size=1, max_size=30))
def test_code_can_be_copied_as_it_is(text: str) -> None:
    spans = [content for kind, content in tokens(code(text)) if kind == "code_inline"]
    assert spans == ([" ".join(text.split())] if text.strip() else [])


def test_lists_emphasis_and_code_survive() -> None:
    text = (
        "First **bold** and `x = 1`.\n\n- one\n- two\n  - deeper\n\n3. third\n4. fourth\n\n```sh\nls -l\n```"
    )
    kinds = [kind for kind, _ in tokens(safe_markdown(text))]
    assert kinds.count("list_item_open") == 5
    assert "strong_open" in kinds
    assert ("fence", "ls -l\n") in tokens(safe_markdown(text))


def test_an_address_in_a_document_is_code() -> None:
    assert ("code_inline", "https://wiki.example/runbook?a=1&b=2") in tokens(
        safe_markdown("See https://wiki.example/runbook?a=1&b=2 first.")
    )


@pytest.mark.parametrize("signs", ["--", "---", "->", "<-", "<->", ">=", "<=", "~="])
def test_signs_side_by_side_are_not_drawn_as_one(signs: str) -> None:
    shown = "".join(content for kind, content in tokens(escape(f"a{signs}b")) if kind.startswith("text"))
    assert "\u2060".join(signs) in shown


def test_a_time_of_day_stays_clean_for_copying() -> None:
    assert "\u2060" not in escape("at 10:02:11 UTC")
