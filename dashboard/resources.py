"""Where the files are that are no Python: beside `dashboard/` in a checkout, inside it in the wheel."""

from __future__ import annotations

import csv
from pathlib import Path

from dashboard.errors import ConfigurationError

_PACKAGE = Path(__file__).resolve().parent


def _find(*parts: str) -> Path:
    for root in (_PACKAGE / "_shipped", _PACKAGE.parent):
        path = root.joinpath(*parts)
        if path.exists():
            return path
    raise ConfigurationError(
        f"{'/'.join(parts)} is missing from this installation.", to_do="Install incidentscribe again."
    )


def flow_file() -> Path:
    """The flow's YAML."""
    return _find("kestra", "flows", "incident-handler.yml")


def probe_file() -> Path:
    """The YAML of the flow by which the doctor asks what Kestra reaches."""
    return _find("kestra", "flows", "incidentscribe-probe.yml")


def privileges() -> list[tuple[str, ...]]:
    """Who may do what in the database of this version: (kind, object, column, and one per role)."""
    with _find("supabase", "privileges.csv").open(encoding="utf-8", newline="") as lines:
        return [tuple(row) for row in csv.reader(lines)][1:]


def streamlit_options() -> Path:
    """Streamlit's options, theme included. In the wheel they lie where Streamlit itself would look."""
    beside = _PACKAGE / ".streamlit" / "config.toml"
    return beside if beside.exists() else _find(".streamlit", "config.toml")


def migration_files() -> list[Path]:
    """All migrations, in the order in which they are applied."""
    return sorted(_find("supabase", "migrations").glob("*.sql"))


def newest_migration() -> str:
    """The version of the newest one, such as `20261124000100`."""
    return migration_files()[-1].name.partition("_")[0]


def pages_folder() -> Path:
    """The folder of the Streamlit pages."""
    return _find("pages")
