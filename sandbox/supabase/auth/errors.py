"""The one error of this part and its two shapes on the wire."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

VERSION_HEADER = "X-Supabase-Api-Version"
_TEXT_CODES_SINCE = date(2024, 1, 1)


class Refusal(Exception):
    """What a request is answered with instead of what it asked for.

    `more` holds further members of the answer's body.
    """

    def __init__(self, status: int, code: str, message: str, more: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.more = dict(more or {})

    def response(self, request: Request) -> JSONResponse:
        """The answer in the shape of the API version that the request names.

        Only where that version comes back in a header, the client looks for a code that is text.
        """
        headers = {"x-sb-error-code": self.code}
        body: dict[str, Any]
        if _wants_text_codes(request.headers.get(VERSION_HEADER, "")):
            headers[VERSION_HEADER] = _TEXT_CODES_SINCE.isoformat()
            body = {"code": self.code, "message": self.message}
        else:
            body = {"code": self.status, "error_code": self.code, "msg": self.message}
        return JSONResponse({**body, **self.more}, status_code=self.status, headers=headers)


class OAuthRefusal(Refusal):
    """A refusal in the shape of OAuth 2, which has no code for the client."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(400, error, description)

    def response(self, request: Request) -> JSONResponse:
        return JSONResponse({"error": self.code, "error_description": self.message}, status_code=self.status)


def _wants_text_codes(version: str) -> bool:
    try:
        return date.fromisoformat(version) >= _TEXT_CODES_SINCE
    except ValueError:
        return False


def invalid(message: str) -> Refusal:
    """A request that is well formed and still makes no sense."""
    return Refusal(400, "validation_failed", message)


def bad_json(reason: str) -> Refusal:
    """A body that is no JSON, or not the expected one."""
    return Refusal(400, "bad_json", f"Could not parse request body as JSON: {reason}")


def wrong_credentials() -> Refusal:
    """The same for an unknown e-mail address and for a wrong password."""
    return Refusal(400, "invalid_credentials", "Invalid login credentials")


def not_served(what: str) -> Refusal:
    """What a Supabase project has and the sandbox does not."""
    return Refusal(501, "not_implemented", f"The sandbox's Supabase Auth does not serve {what}.")
