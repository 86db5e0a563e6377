"""E-mail addresses as Supabase Auth stores them."""

import re

from sandbox.supabase.auth.errors import invalid

_MOST_CHARACTERS = 255
_ADDRESS = re.compile(r"[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+")


def normal_email(text: str) -> str:
    """The address in lower case; two spellings that differ in case are one address."""
    return text.strip().lower()


def require_email(text: str) -> str:
    """The normal spelling; raises Refusal 400 for what can be no address."""
    address = normal_email(text)
    if len(address) > _MOST_CHARACTERS or not _ADDRESS.fullmatch(address):
        raise invalid("Unable to validate email address: invalid format")
    return address
