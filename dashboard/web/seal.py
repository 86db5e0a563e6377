"""A session's cookie and what is derived from it; nothing here is kept on the server.

The cookie is 32 random bytes. From it come, by different labels: the hash that names the session in the
database, the key its tokens are encrypted with, and the token of forms. Whoever has the table, or the service
key, has neither.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from dashboard.domain.clock import parse_instant, to_iso
from dashboard.store.tokens import Tokens

_NONCE_BYTES = 12
_VERSION = "1."


class SealError(ValueError):
    """A sealed text that this cookie did not make."""


def new_cookie() -> str:
    """An unguessable value for a cookie, 43 characters."""
    return secrets.token_urlsafe(32)


def cookie_hash(cookie: str) -> str:
    """What the database knows of a cookie: 64 hex digits."""
    return hashlib.sha256(b"incidentscribe session name\0" + cookie.encode()).hexdigest()


def seal(cookie: str, tokens: Tokens) -> str:
    """Encrypt the tokens of a session so that only its cookie opens them."""
    plain = json.dumps(
        {
            "access_token": tokens.access_token,
            "refresh_token": tokens.refresh_token,
            "expires_at": to_iso(tokens.expires_at),
        }
    )
    nonce = secrets.token_bytes(_NONCE_BYTES)
    sealed = AESGCM(_key(cookie)).encrypt(nonce, plain.encode(), cookie_hash(cookie).encode())
    return _VERSION + base64.urlsafe_b64encode(nonce + sealed).decode()


def unseal(cookie: str, sealed: str) -> Tokens:
    """Open what `seal` made. Raises SealError for anything else."""
    try:
        if not sealed.startswith(_VERSION):
            raise SealError("Not a sealed session of this version.")
        raw = base64.urlsafe_b64decode(sealed.removeprefix(_VERSION))
        plain = AESGCM(_key(cookie)).decrypt(
            raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], cookie_hash(cookie).encode()
        )
        fields = json.loads(plain)
        return Tokens(fields["access_token"], fields["refresh_token"], parse_instant(fields["expires_at"]))
    except (InvalidTag, binascii.Error, KeyError, TypeError, ValueError) as error:
        raise SealError("The sealed session does not belong to this cookie.") from error


def form_token(cookie: str, form: str) -> str:
    """The hidden value of a form: proof that the page that sent it could read the cookie's server side.

    It is made from the cookie itself, so that any desk behind a balancer can check what another one made,
    without a secret they would have to share.
    """
    return hmac.new(_derived(cookie, f"form {form}"), form.encode(), hashlib.sha256).hexdigest()


def is_form_token(cookie: str, form: str, token: str) -> bool:
    """Whether the hidden value belongs to the cookie and the form."""
    return bool(cookie) and hmac.compare_digest(form_token(cookie, form).encode(), token.encode())


def _key(cookie: str) -> bytes:
    return _derived(cookie, "tokens")


def _derived(cookie: str, label: str) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt=None, info=f"incidentscribe {label}".encode()).derive(
        cookie.encode()
    )
