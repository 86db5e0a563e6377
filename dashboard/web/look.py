"""Streamlit's options from the file of this installation, wherever the process was started.

By itself Streamlit looks in the working directory and beside the entry script, and in a checkout the file
lies in neither unless one starts from its root.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from streamlit.web.bootstrap import load_config_options


def use_options(file: Path) -> None:
    """Read Streamlit's options from this file; they win over a `.streamlit/` of the working directory."""
    load_config_options(dict(_flat(tomllib.loads(file.read_text(encoding="utf-8")))))


def _flat(options: Mapping[str, Any], section: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in options.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{section}{name}.")
        else:
            yield f"{section}{name}", value
