"""Where the files are that are no Python: beside `dashboard/` in a checkout, inside it in the wheel."""

from __future__ import annotations

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
