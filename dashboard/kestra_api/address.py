"""Where Kestra is: the environment's address, unless a person wrote another one into `system_config`.

Kestra's password goes wherever this points, so not every address is taken. What is refused leaves the former
in force.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

from dashboard.loopback import is_loopback

KEY = "KESTRA_URL"


def refusal(url: str, own: str, allowed_hosts: Collection[str]) -> str | None:
    """Why an address is not taken, in words that follow "it"; None for one that is.

    `own` is the environment's and always taken. `allowed_hosts`, where there are any, are the only others.
    """
    if url == own:
        return None
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is no address"
    if not url.isprintable() or any(sign.isspace() for sign in url) or "\\" in url or not host:
        return "is no address"
    if parts.username is not None or parts.password is not None:
        return "carries a user name or password, which belong into KESTRA_USERNAME and KESTRA_PASSWORD"
    if parts.query or parts.fragment:
        return "carries more than a host and a path"
    if allowed_hosts and host not in {name.lower() for name in allowed_hosts}:
        return "names a host that is not in INCIDENTSCRIBE_KESTRA_ALLOWED_HOSTS"
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        return "is not https: Kestra's password would go there in the clear"
    return None


@dataclass(frozen=True, slots=True)
class Address:
    """The address in force; `written` is what a person wrote, `refused` why that is not it."""

    url: str
    written: str | None = None
    refused: str | None = None


class AddressBook:
    """The address in force of this process. Safe to share between threads."""

    def __init__(self, own: str, allowed_hosts: Collection[str] = ()) -> None:
        self._own = own
        self._allowed_hosts = tuple(allowed_hosts)
        self._lock = threading.Lock()
        self._current = Address(own)

    @property
    def current(self) -> Address:
        with self._lock:
            return self._current

    def take(self, written: str | None) -> bool:
        """What stands in `system_config` now, None for nothing; True when another address is in force."""
        with self._lock:
            before = self._current
            if written is None:
                self._current = Address(self._own)
            else:
                url = written.strip().rstrip("/")
                why = refusal(url, self._own, self._allowed_hosts)
                self._current = Address(before.url if why else url, written, why)
            return self._current.url != before.url
