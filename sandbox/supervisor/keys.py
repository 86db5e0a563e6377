"""Passwords and keys of one sandbox, generated at its first start."""

import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path


def _word() -> str:
    return secrets.token_urlsafe(24)


def _kestra_password() -> str:
    # Kestra wants upper case, lower case and a digit.
    return secrets.token_urlsafe(18) + "aA1"


@dataclass(frozen=True)
class Keys:
    """Everything secret in a sandbox; the fields are its own, nobody else's."""

    jwt_secret: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    postgres_password: str = field(default_factory=_word)
    migration_password: str = field(default_factory=_word)
    authenticator_password: str = field(default_factory=_word)
    auth_password: str = field(default_factory=_word)
    kestra_password: str = field(default_factory=_kestra_password)
    model_key: str = field(default_factory=_word)
    service_token: str = field(default_factory=_word)
    demo_password: str = field(default_factory=lambda: secrets.token_urlsafe(9))

    @classmethod
    def of(cls, folder: Path) -> "Keys":
        """The keys kept in `folder`, made and written (mode 0600) if there are none."""
        path = folder / "keys.json"
        if path.exists():
            return cls(**json.loads(path.read_text()))
        keys = cls()
        write_private(path, json.dumps(asdict(keys), indent=2))
        return keys


def write_private(path: Path, text: str) -> None:
    """Writes a file that only its owner may read, whole or not at all."""
    fresh = path.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    fresh.replace(path)
