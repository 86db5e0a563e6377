"""A postmortem as one HTML file that asks for nothing: no script, no picture, no other file."""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from dashboard.domain.document import Document
from dashboard.domain.markup import (
    Address,
    Break,
    Citation,
    Code,
    CodeBlock,
    ItemList,
    Paragraph,
    Styled,
    Text,
)
from dashboard.export.outline import Entries, Heading, Note, Pairs, Prose, outline

_KINDS = (
    *(Heading, Note, Pairs, Prose, Entries),
    *(Paragraph, CodeBlock, ItemList),
    *(Text, Code, Address, Citation, Break, Styled),
)


def to_html(document: Document) -> bytes:
    """UTF-8; shown and printed without any other file."""
    template, style, policy = _page()
    parts = list(outline(document))
    headings = [part for part in parts if isinstance(part, Heading) and part.level == 2]
    page = template.render(document=document, parts=parts, headings=headings, style=style, policy=policy)
    return page.encode("utf-8", "replace")


@lru_cache(maxsize=1)
def _page() -> tuple[Template, Markup, str]:
    """The template, its style sheet, and a policy that allows this style sheet and nothing else."""
    environment = Environment(
        loader=PackageLoader("dashboard.export"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["a"] = _is_a
    source, _, _ = environment.loader.get_source(environment, "postmortem.css")  # type: ignore[union-attr]
    digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return environment.get_template("postmortem.html"), Markup(source), policy  # noqa: S704  our own file


def _is_a(part: Any, kind: str) -> bool:
    return type(part) in _KINDS and type(part).__name__ == kind
