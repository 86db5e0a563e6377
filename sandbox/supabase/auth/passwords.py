"""Hashing and judging passwords."""

import re

import bcrypt

from sandbox.supabase.auth.errors import Refusal, invalid, not_served

_MOST_BYTES = 72
# The cost is bounded: a hash of cost 31 would keep a sign-in busy for a day.
_BCRYPT_HASH = re.compile(r"\$2[aby]\$(0[4-9]|1[0-5])\$[./A-Za-z0-9]{53}")


class Passwords:
    """bcrypt of one cost (log2 of its rounds; each step doubles the time) and one rule of length."""

    def __init__(self, cost: int, shortest: int) -> None:
        self._cost = cost
        self._shortest = shortest
        self._nobodys = self.hash("nobody's password")

    def hash(self, password: str) -> str:
        """The hash of a password that `require_good` let pass."""
        return bcrypt.hashpw(password.encode(), bcrypt.gensalt(self._cost)).decode()

    def matches(self, password: str, hashed: str | None) -> bool:
        """Whether it is the password of that hash; takes as long when there is none."""
        given = password.encode()
        is_right = bcrypt.checkpw(given[:_MOST_BYTES], (hashed or self._nobodys).encode())
        return is_right and bool(hashed) and len(given) <= _MOST_BYTES

    def require_good(self, password: str) -> None:
        """Raises Refusal: 422 weak_password when too short, 400 when longer than bcrypt can tell apart."""
        if len(password.encode()) > _MOST_BYTES:
            raise invalid(f"Password cannot be longer than {_MOST_BYTES} characters")
        if len(password) < self._shortest:
            raise Refusal(
                422,
                "weak_password",
                f"Password should be at least {self._shortest} characters.",
                {"weak_password": {"reasons": ["length"]}},
            )


def require_usable_hash(hashed: str) -> None:
    """Raises Refusal unless it is a bcrypt hash; Supabase itself also takes argon2."""
    if not _BCRYPT_HASH.fullmatch(hashed):
        raise not_served("a password_hash other than bcrypt with a cost from 4 to 15")
