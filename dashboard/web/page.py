"""Pages of the desk that are not Streamlit's: small HTML from the templates, in one look."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

_FOLDER: Final = Path(__file__).parent / "templates"
_templates = Environment(
    loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)

STYLE: Final = (_FOLDER / "sign_in.css").read_text(encoding="utf-8")
"""What every one of them has between its style tags, to the letter."""


def render_page(template: str, **words: object) -> str:
    """A template with its words, which are escaped."""
    return _templates.get_template(template).render(style=STYLE, **words)
