"""Untrusted Markdown: nothing of it acts, on the screen or in a tree; what is allowed survives."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.domain.markup import (
    Address,
    Citation,
    Code,
    CodeBlock,
    ItemList,
    Paragraph,
    Styled,
    Text,
    parse,
    plain,
    walk,
)
from dashboard.ui.markdown import safe_markdown
from tests.unit.test_text import HOSTILE, assert_harmless, reader, tokens

ATTACKS = [
    *HOSTILE,
    "[a](javascript:alert(1)) [b](data:text/html,x) [c](vbscript:x) [d](//evil.example)",
    "[https://bank.example](https://evil.example)",
    "![pixel](https://evil.example/p.png 'title')",
    "[![x](https://evil.example/a)](https://evil.example/b)",
    "<svg onload=alert(1)></svg><script>alert(1)</script>",
    "<!-- --><div style='position:fixed'>",
    "Setext\n======\n\n## Two\n\n###### Six :red[x]",
    ":shimmer[x] :rainbow[x] :small[:red[x]] :primary-badge[x]",
    "$$\\int$$ and \\(x\\) and \\[y\\]",
    "```python\nprint(1)\n```\n\n~~~html\n<b>\n~~~\n\n    indented",
    "> [x](https://evil.example)\n> > deeper\n\n- [ ] task\n- [x] :white_check_mark:",
    "[1](#approve) [2](/approval?id=1) [3](?id=2)",
    "[ref]\n\n[ref]: javascript:alert(1)",
    "a\u202ereversed\u202c \u200bzero \x1b[31mred",
    "http://user:pass@evil.example/ https://xn--80ak6aa92e.com https://аррӏе.com",
    "**[bold link](https://evil.example)** *![i](x)*",
    "https://evil.example/`code`](x) [`a`](https://evil.example)",
    "&lt;img src=x&gt; &#x3a;red&#x5b;x]",
    "{{ 7*7 }} ${7*7} #{7*7}",
    "\\:red[x] \\\\:red[x] \\$x$",
    "[1] [2, 3] [99] [1]( https://evil.example )",
    "+1 -1 * star\n***\n___\n- - -",
]


def links(markdown: str) -> list[tuple[str, str]]:
    """(words, address) of every link in a Markdown text."""
    found = []
    for block in reader.parse(markdown):
        address, words = "", ""
        for part in block.children or []:
            if part.type == "link_open":
                address, words = str(part.attrs["href"]), ""
            elif part.type == "link_close":
                found.append((words.replace("\u2060", ""), address))
            else:
                words += part.content
    return found


@pytest.mark.parametrize("text", ATTACKS)
def test_nothing_hostile_acts(text: str) -> None:
    assert_harmless(safe_markdown(text))


@pytest.mark.parametrize("text", ATTACKS)
def test_links_lead_where_they_say(text: str) -> None:
    for words, address in links(safe_markdown(text, known=[1, 2, 3], links=True)):
        if address.startswith("#evidence-"):
            assert words == address.removeprefix("#evidence-")
        else:
            assert words == address
            assert re.fullmatch(r"https?://[\x21-\x7e]+", address)
            assert "@" not in address.split("/")[2]


@given(st.text(alphabet=st.sampled_from("ab1 \n\\`*_~[](){}<>#|$!&^=+-:/.@w\u202e\t"), max_size=80))
def test_nothing_made_of_signs_acts(text: str) -> None:
    assert_harmless(safe_markdown(text))
    for words, address in links(safe_markdown(text, known=[1], links=True)):
        assert words == address or address == "#evidence-1"


@given(st.text(max_size=200))
def test_every_text_has_a_tree_without_unseen_letters(text: str) -> None:
    letters = plain(parse(text))
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", letters)
    letters.encode()


def test_what_is_allowed_survives() -> None:
    [first, listed, fence] = parse(
        "One **two** *three* `x = 1`\nfour.\n\n3. a\n4. b\n   - c\n\n```sh\nls\n```"
    )
    assert isinstance(first, Paragraph)
    assert Styled(True, (Text("two"),)) in first.children
    assert Code("x = 1") in first.children
    assert isinstance(listed, ItemList)
    assert (listed.start, len(listed.items)) == (3, 2)
    assert isinstance(listed.items[1][1], ItemList)
    assert fence == CodeBlock("ls")


def test_an_address_stands_in_the_open() -> None:
    assert list(walk(parse("See [the wiki](https://wiki.example/a?b=1)."))) == [
        Text("See the wiki ("),
        Address("https://wiki.example/a?b=1"),
        Text(")."),
    ]
    shown = safe_markdown("See [the wiki](https://wiki.example/a?b=1).", links=True)
    assert links(shown) == [("https://wiki.example/a?b=1", "https://wiki.example/a?b=1")]
    assert links(safe_markdown("[x](javascript:alert(1))", links=True)) == []


def test_headings_become_bold_lines() -> None:
    assert parse("# Big *one*") == (
        Paragraph((Styled(True, (Text("Big "), Styled(False, (Text("one"),)))),)),
    )


def test_citations_of_known_evidence_are_small_links_and_others_stay_text() -> None:
    assert Citation((1, 2)) in list(walk(parse("Full pool [1, 2].")))
    assert ":small[[1](#evidence-1)] :small[[2](#evidence-2)]" in safe_markdown("Full [1, 2].", known=[1, 2])
    assert "#evidence" not in safe_markdown("Full [7].", known=[1, 2])
    assert ("text", "Full [7].") in tokens(safe_markdown("Full [7].", known=[1, 2]).replace("\\", ""))


def test_long_and_nested_texts_take_no_time() -> None:
    began = time.perf_counter()
    for text in (
        "[" * 20_000,
        "> " * 5_000 + "x",
        "*a **b " * 3_000,
        "- " * 3_000 + "x",
        "`" * 20_000,
        "![[" * 6_000,
    ):
        safe_markdown(text)
    assert "cut: the text is longer" in safe_markdown("word " * 20_000)
    assert time.perf_counter() - began < 20
