"""What a refused request answers: PostgREST's error shape, its codes and its statuses."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

import psycopg
from starlette.responses import Response

JSON_TYPE = "application/json; charset=utf-8"

_STATUS_BY_STATE = {
    "25006": 405,
    "42501": 403,
    "42883": 404,
    "42P01": 404,
    "42P17": 500,
    "23503": 409,
    "23505": 409,
    "53400": 500,
    "57P01": 503,
    "21000": 500,
}
_STATUS_BY_CLASS = {
    "08": 503, "53": 503,
    "0L": 403, "0P": 403, "28": 403,
    "09": 500, "25": 500, "2D": 500, "38": 500, "39": 500, "3B": 500, "40": 500, "54": 500, "55": 500,
    "57": 500, "58": 500, "F0": 500, "HV": 500, "P0": 500, "XX": 500,
}  # fmt: skip
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_ROLE_MISSING = re.compile(r'role ".*" does not exist', re.DOTALL)


@dataclass(eq=False)
class ApiError(Exception):
    """A refusal on its way out: HTTP status and the four fields that the client reads."""

    status: int
    code: str
    message: str
    details: Any = None
    hint: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.status} {self.code}: {self.message}"

    def response(self) -> Response:
        """`{"code","message","details","hint"}`, and the code once more as a header for HEAD requests."""
        body = {"code": self.code, "message": self.message, "details": self.details, "hint": self.hint}
        proxy_status = {"Proxy-Status": f"PostgREST; error={self.code}"}
        return Response(
            json.dumps(body, ensure_ascii=False).encode("utf-8", "backslashreplace"),
            self.status,
            proxy_status | self.headers,
            JSON_TYPE,
        )


def sound_header(name: str, value: str) -> bool:
    """Whether a header that SQL made can be sent as it is, without becoming two."""
    return bool(_HEADER_NAME.fullmatch(name) and _HEADER_VALUE.fullmatch(value))


def not_served(what: str) -> ApiError:
    """For everything that PostgREST can do and this gateway does not."""
    return ApiError(
        501,
        "SANDBOX501",
        f"The sandbox does not serve {what}.",
        hint="sandbox/supabase/gateway/app.py lists what it serves; a real Supabase has the rest.",
    )


def unreachable(cause: psycopg.Error) -> ApiError:
    """No connection could be had."""
    return ApiError(
        503, "PGRST000", "Database connection error. Retrying the connection.", details=str(cause).strip()
    )


def from_database(error: psycopg.Error, role: str) -> ApiError:
    """The answer for an error that Postgres raised for a request made as `role`.

    Code, message, DETAIL and HINT pass through; SQLSTATEs `PTnnn` and `PGRST` choose their own status.
    """
    state, diag = error.sqlstate, error.diag
    if state is None:
        if isinstance(error, psycopg.DataError):
            # psycopg refuses to send these at all; the state is the one the server would give.
            return ApiError(400, "22021", str(error))
        return ApiError(
            503, "PGRST001", "Database client error. Retrying the connection.", str(error).strip()
        )
    message = diag.message_primary or ""
    if state == "PGRST":
        return _raised_as_json(message, diag.message_detail)
    if custom := re.fullmatch(r"PT([1-5]\d\d)", state):
        status = int(custom[1])
    else:
        status = _status(state, message, role)
    refusal = ApiError(status, state, message, diag.message_detail, diag.message_hint)
    if status == 401:
        refusal.headers["WWW-Authenticate"] = "Bearer"
    return refusal


def _status(state: str, message: str, role: str) -> int:
    if state == "42501" and role == "anon":
        return 401
    if state == "22023" and _ROLE_MISSING.fullmatch(message):
        return 401
    if state == "21000" and message.endswith("requires a WHERE clause"):
        return 400
    if state == "P0001":
        return 400
    return _STATUS_BY_STATE.get(state) or _STATUS_BY_CLASS.get(state[:2], 400)


def _raised_as_json(message: str, detail: str | None) -> ApiError:
    """`raise sqlstate 'PGRST'`: MESSAGE holds the body, DETAIL the status and headers, both as JSON."""
    try:
        body, outer = json.loads(message), json.loads(detail or "")
        headers = {str(name): str(value) for name, value in outer.get("headers", {}).items()}
        status, code = int(outer["status"]), body["code"]
        sound = all(sound_header(name, value) for name, value in headers.items())
        if not (sound and 200 <= status <= 599 and re.fullmatch(r"[A-Za-z0-9_]+", code)):
            raise ValueError("status, code or header out of range")
        refusal = ApiError(status, code, body["message"], body.get("details"), body.get("hint"), headers)
    except (ValueError, KeyError, TypeError, AttributeError):
        return ApiError(
            500,
            "PGRST121",
            "Could not parse JSON in the \"RAISE SQLSTATE 'PGRST'\" error",
            "MESSAGE and DETAIL must be JSON objects with code and message, and status and headers.",
        )
    return refusal
