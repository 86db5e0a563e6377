"""This machine's own addresses: never reached through a proxy, and the only ones a sandbox has."""

from __future__ import annotations

import ipaddress

import httpx

DIRECT: dict[str, httpx.BaseTransport | None] = {
    "all://127.0.0.1": None,
    "all://localhost": None,
    "all://[::1]": None,
}
"""`mounts` for an httpx client: whatever proxy the environment names, these go without."""


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
