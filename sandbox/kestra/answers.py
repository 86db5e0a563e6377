"""The shapes of the door's answers: JSON, Kestra's error body, and Java exceptions as statuses."""

import json
from collections.abc import Sequence
from typing import Any, cast

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from sandbox.kestra import bridge
from sandbox.kestra.bridge import JavaFailure

_LINK = {"templated": False} | dict.fromkeys(("profile", "deprecation", "title", "hreflang", "type", "name"))

# Kestra's exceptions: status and the words its server puts before the message.
_FAILURES = {
    "NoSuchElementException": (404, "Not Found"),
    "NotFoundException": (404, "Not Found"),
    "InputOutputValidationException": (422, "Invalid entity"),
    "ConstraintViolationException": (422, "Invalid entity"),
    "FlowProcessingException": (422, "Invalid entity"),
    "KVStoreException": (422, "Illegal argument"),
    "InvalidQueryFiltersException": (400, "Bad Request"),
    "DateTimeParseException": (422, "Invalid entity"),
    "ConflictException": (409, "Conflict"),
    "IllegalArgumentException": (422, "Illegal argument"),
    "IllegalStateException": (409, "Illegal state"),
    "TimeoutException": (504, "Gateway Timeout"),
}


class Refusal(Exception):
    """Ends a request with this status; `errors` are (path, message) of single fields."""

    def __init__(self, status: int, message: str, errors: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = errors


def json_response(value: Any, status: int = 200) -> Response:
    """`value` as JSON."""
    content = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")
    return Response(content, status, media_type="application/json")


def shown_execution(execution: Any) -> dict[str, Any]:
    """The full form of an execution, in which actions and streams give it: all but the tenant."""
    shown: dict[str, Any] = bridge.to_python(execution)
    for part in (shown, *shown.get("taskRunList", ())):
        part.pop("tenantId", None)
    return shown


def refused(request: Request, error: Exception) -> Response:
    """Kestra's error body for a Refusal."""
    refusal = cast(Refusal, error)
    fields: list[dict[str, Any]] = [
        {"message": message, "logref": None, "path": path, "_links": {}, "_embedded": {}}
        for path, message in refusal.errors
    ]
    target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    body = {
        "message": refusal.message,
        "logref": None,
        "path": None,
        "_links": {"self": {"href": target, **_LINK}},
        "_embedded": {"errors": fields} if fields else {},
    }
    return json_response(body, refusal.status)


def failed(request: Request, error: Exception) -> Response:
    """The answer for a Java exception that no handler has taken: as Kestra's server words it, else 500."""
    failure = cast(JavaFailure, error)
    for kind in failure.kinds:
        if kind in _FAILURES:
            status, words = _FAILURES[kind]
            return refused(request, Refusal(status, f"{words}: {failure.message}"))
    return refused(request, Refusal(500, f"Internal Server Error: {failure.message}"))


def malformed(request: Request, error: Exception) -> Response:
    """The answer where Starlette refuses, such as for a multipart body that is none."""
    refusal = cast(HTTPException, error)
    return refused(request, Refusal(refusal.status_code, refusal.detail))
