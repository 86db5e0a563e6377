"""`make configure-doc`: write docs/configure.md from the settings' classes and `.env.example`."""

import re
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Any, NamedTuple, get_args

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from dashboard import settings

ROOT = Path(__file__).parents[2]
DOC = ROOT / "docs/configure.md"

READERS: dict[str, tuple[type[settings.Settings], ...]] = {
    "desk": (settings.WebSettings, settings.LogSettings),
    "worker": (settings.WorkerSettings, settings.LogSettings, settings.MetricsSettings),
    "doctor": (settings.KestraSettings, settings.AnonSettings, settings.ServiceSettings),
    "deploy": (settings.DeploySettings,),
    "migrate": (settings.MigrateSettings,),
    "administration": (settings.AdminSettings, settings.ServiceSettings),
    "seed": (settings.SeedSettings,),
}
"""The programs, as docs call them, and what each reads."""

HEAD = """\
# Configure

Written by `make configure-doc` from `dashboard/settings.py` and `.env.example`.
A test fails when it is not current.

- Settings come from the environment and from the file `.env` in the current folder. The environment wins.
- `INCIDENTSCRIBE_ENV_FILE`, in the environment, names another file; empty: none is read.
- An empty value is the same as none.
- Each program reads its own settings only: the pages of the desk cannot see the service key.
- A setting that is missing or unusable is named in one line, without its value; the exit code is 1.
- A worker inside the desk reads the worker's settings. Without `SUPABASE_SERVICE_ROLE_KEY` there is none.
- A row of the table `system_config` wins over the environment, without a restart:
  [operate.md](operate.md#another-address-of-kestra).

*administration* stands for `incidentscribe org`, `user`, `service`, `catalogue`, `notices`, `hold`
and `audit`.
"""


class Setting(NamedTuple):
    """One key: what it is when it is not set, whether it is a secret, and who reads it."""

    default: str
    secret: bool
    readers: tuple[str, ...]


def key_of(name: str, field: FieldInfo) -> str:
    """The name in the environment."""
    return (field.validation_alias if isinstance(field.validation_alias, str) else name).upper()


def _default(field: FieldInfo) -> str:
    value: Any = field.default
    if field.is_required():
        return "needed"
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, tuple):
        value = ",".join(value)
    return f"`{value}`" if value not in (None, "") else "none"


def _is_secret(field: FieldInfo) -> bool:
    kind = field.annotation
    return SecretStr in (get_args(kind) if isinstance(kind, UnionType) else (kind,))


def known() -> dict[str, Setting]:
    """Every setting of every class, by its key."""
    found: dict[str, Setting] = {}
    for reader, kinds in READERS.items():
        for kind in kinds:
            for name, field in kind.model_fields.items():
                key = key_of(name, field)
                before = found.get(key)
                readers = (*(before.readers if before else ()), reader)
                found[key] = Setting(_default(field), _is_secret(field), tuple(dict.fromkeys(readers)))
    return found


def blocks() -> Iterator[tuple[list[str], list[str]]]:
    """Of `.env.example`: the lines of a comment, and the keys that it explains."""
    for block in (ROOT / ".env.example").read_text(encoding="utf-8").strip().split("\n\n"):
        comment: list[str] = []
        keys: list[str] = []
        for line in block.splitlines():
            if line.startswith("#"):
                if keys:
                    yield comment, keys
                    comment, keys = [], []
                comment.append(line.removeprefix("#").strip())
            else:
                keys.append(line.partition("=")[0])
        if keys:
            yield comment, keys


def text() -> str:
    """The page."""
    settings_of = known()
    parts = [HEAD]
    for comment, keys in blocks():
        words = re.sub(r"docs/([\w-]+\.md)", r"[\1](\1)", " ".join(comment))
        rows = ["| setting | when not set | secret | read by |", "|---|---|---|---|"]
        for key in keys:
            about = settings_of[key]
            secret = "yes" if about.secret else ""
            rows.append(f"| `{key}` | {about.default} | {secret} | {', '.join(about.readers)} |")
        parts.append("\n".join([words, "", *rows, ""]))
    return "\n".join(parts)


if __name__ == "__main__":
    DOC.write_text(text(), encoding="utf-8")
