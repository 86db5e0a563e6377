"""`make compose-env`: write `.env` for docker-compose.yml, with credentials made here and mode 0600.

It takes the lines of `.env.example`, adds what only the compose file needs, and makes every password that is
not there yet. What stands in `.env` already is kept, so it may be run again. Needs the standard library only.
"""

import os
import re
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

_VALUE = re.compile(r"^([A-Z][A-Z0-9_]*)=(.*)$")
_OF_THE_OWNER_ALONE = 0o600

FILLED_BY_HAND = (
    "SUPABASE_URL",
    "SUPABASE_ANON_KEY",
    "SUPABASE_SERVICE_ROLE_KEY",
    "INCIDENTSCRIBE_DATABASE_URL",
    "GEMINI_API_KEY",
)

COMPOSE_ONLY = """\

# For docker-compose.yml alone: Kestra's image and memory, and its own Postgres.
# There `$` starts a variable, also in this file: a value with a `$` stands in single quotes.
KESTRA_VERSION=v2.0.0
KESTRA_MEMORY=4g
KESTRA_POSTGRES_IMAGE=postgres:17-bookworm
KESTRA_DATABASE_PASSWORD=
# The address from which a proxy with HTTPS reaches the desk's container: the gateway of the compose network.
FORWARDED_ALLOW_IPS=127.0.0.1
"""


def new_password() -> str:
    """32 random bytes; Kestra asks for an upper case letter, a lower case letter and a digit."""
    while True:
        password = secrets.token_urlsafe(32)
        if all(re.search(kind, password) for kind in ("[A-Z]", "[a-z]", "[0-9]")):
            return password


def values(text: str) -> dict[str, str]:
    """NAME=value lines of an environment file; the last one wins."""
    found = (_VALUE.match(line) for line in text.splitlines())
    return {match[1]: match[2] for match in found if match}


def filled(template: str, known: Mapping[str, str]) -> str:
    """The template with what is known, and with a new password where one is needed and none is known."""
    made = {name: new_password() for name in ("KESTRA_PASSWORD", "KESTRA_DATABASE_PASSWORD")}
    # The template's address means this machine, and inside a container that is the container itself.
    made["SUPABASE_URL"] = ""
    made |= {name: value for name, value in known.items() if value}

    def line_of(line: str) -> str:
        match = _VALUE.match(line)
        return f"{match[1]}={made.get(match[1], match[2])}" if match else line

    lines = [line_of(line) for line in template.splitlines()]
    others = known.keys() - values(template).keys()
    return "\n".join([*lines, *(f"{name}={known[name]}" for name in sorted(others))]) + "\n"


def write(folder: Path) -> Path:
    """Write `.env` of a checkout; other people of the machine cannot read it at any moment."""
    target = folder / ".env"
    known = values(target.read_text(encoding="utf-8")) if target.exists() else {}
    template = (folder / ".env.example").read_text(encoding="utf-8") + COMPOSE_ONLY
    beside = target.with_name(".env.new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OF_THE_OWNER_ALONE), "w") as file:
        file.write(filled(template, known))
    beside.replace(target)
    return target


def main() -> None:
    target = write(Path.cwd())
    found = values(target.read_text(encoding="utf-8"))
    sys.stdout.write(f"{target.name} is written, readable by you alone. Kestra's password is in it.\n")
    empty = [name for name in FILLED_BY_HAND if not found.get(name)]
    if empty:
        sys.stdout.write(f"Still to fill in: {', '.join(empty)}.\n")
    if re.match(r"https?://(127\.|localhost\b)", found["SUPABASE_URL"]):
        sys.stdout.write(
            "SUPABASE_URL names the container itself there: http://host.docker.internal:54321?\n"
        )


if __name__ == "__main__":
    main()
