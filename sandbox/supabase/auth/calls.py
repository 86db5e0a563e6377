"""One request, with its body read and its bearer token at hand."""

import json
import math
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from sandbox.supabase.auth.errors import Refusal, bad_json

_MOST_BYTES = 1_000_000
_Body = TypeVar("_Body", bound=BaseModel)


@dataclass(frozen=True)
class Call:
    """A request whose body is here as a whole."""

    request: Request
    body: bytes

    @classmethod
    async def of(cls, request: Request) -> "Call":
        """Reads the body; raises Refusal 413 as soon as it is over 1 MB."""
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > _MOST_BYTES:
                raise Refusal(413, "request_entity_too_large", "Request body is over 1 MB")
        return cls(request, bytes(body))

    def read(self, shape: type[_Body]) -> _Body:
        """The body in that shape; raises Refusal 400 bad_json."""
        try:
            value = json.loads(self.body, parse_constant=_refuse_constant)
            _require_storable(value)
            return shape.model_validate(value, strict=True)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "body"
            raise bad_json(f"{where}: {first['msg']}") from error
        except (ValueError, RecursionError) as error:
            raise bad_json(str(error)) from error

    @property
    def address(self) -> str:
        """Where the request comes from."""
        return self.request.client.host if self.request.client else "unknown"

    @property
    def bearer(self) -> str:
        """The token of the Authorization header; raises Refusal 401 no_authorization."""
        scheme, _, token = self.request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Refusal(401, "no_authorization", "This endpoint requires a valid Bearer token")
        return token.strip()


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _require_storable(value: Any) -> None:
    """Raises ValueError for what JSON can say and Postgres cannot hold: NUL, half a pair, 1e999."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            waiting += [*each.keys(), *each.values()]
        elif isinstance(each, list):
            waiting += each
        elif isinstance(each, str) and ("\0" in each or not _is_unicode(each)):
            raise ValueError("a text holds a character that cannot be stored")
        elif isinstance(each, float) and not math.isfinite(each):
            raise ValueError("a number is too big")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
