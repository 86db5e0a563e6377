"""What can be downloaded: a name, a kind and the bytes of each format."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import NamedTuple

from dashboard.domain.document import Document
from dashboard.export.html import to_html
from dashboard.export.markdown import to_markdown
from dashboard.export.pdf import to_pdf


class Format(NamedTuple):
    """A kind of file; `make` answers its bytes."""

    name: str
    extension: str
    mime: str
    make: Callable[[Document], bytes]


def to_json(document: Document) -> bytes:
    """The document as it is, as JSON; `Document` is its schema."""
    text = json.dumps(document.model_dump(mode="json"), ensure_ascii=False, indent=2)
    return text.encode("utf-8", "replace")


FORMATS = (
    Format("Markdown", "md", "text/markdown", to_markdown),
    Format("HTML, one file", "html", "text/html", to_html),
    Format("PDF", "pdf", "application/pdf", to_pdf),
    Format("JSON", "json", "application/json", to_json),
)


def file_name(document: Document, extension: str) -> str:
    """A name that every file system takes, whatever the incident is called."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", document.incident.external_id)[:60].strip("-") or "incident"
    return f"postmortem-{plain}-v{document.version}.{extension}"
