"""Pages of the desk that are not Streamlit's: small HTML from the templates, in one look."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

_TEMPLATES = Path(__file__).parent / "templates"


def render_page(template: str, **words: object) -> str:
    """A template with its words, which are escaped."""
    environment, style = _look()
    return environment.get_template(template).render(style=style, **words)


@lru_cache(maxsize=1)
def _look() -> tuple[Environment, str]:
    environment = Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined)
    return environment, (_TEMPLATES / "sign_in.css").read_text(encoding="utf-8")
