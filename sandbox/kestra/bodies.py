"""Reading request bodies within limits."""

from starlette.requests import Request
from starlette.types import Message

from sandbox.kestra.answers import Refusal

_MEGABYTE = 1024 * 1024
# The engine writes the payload into every change of its execution: 1.5 MB kept it busy for minutes and made
# half a gigabyte of database. Larger incidents are submitted at the desk, which sends Kestra a part of them.
WEBHOOK_LIMIT = _MEGABYTE
FLOW_LIMIT = _MEGABYTE
VALUE_LIMIT = _MEGABYTE
FORM_LIMIT = _MEGABYTE


async def read_body(request: Request, limit: int) -> bytes:
    """The body; raises Refusal(413) as soon as it is longer than `limit` bytes."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise Refusal(413, f"Request Entity Too Large: the sandbox takes at most {limit} bytes here")
    return bytes(body)


async def read_text(request: Request, limit: int) -> str:
    """The body as text; raises Refusal(413) or, if it is not UTF-8, Refusal(400)."""
    try:
        return (await read_body(request, limit)).decode()
    except UnicodeDecodeError as error:
        raise Refusal(400, f"Bad Request: the body is not UTF-8 ({error})") from error


def require_type(request: Request, *allowed: str) -> None:
    """Raises Refusal(415) if the body has another media type; a request without a body may have none."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given in allowed or (not given and request.headers.get("content-length", "0") == "0"):
        return
    raise Refusal(
        415,
        f"Unsupported Media Type: Content Type [{given}] not allowed. Allowed types: [{', '.join(allowed)}]",
    )


async def read_form(request: Request) -> list[tuple[str, bytes]]:
    """The fields of a multipart form in their order; raises Refusal(415) for another type, 413 if too long.

    Files are not taken (422): no input of this project is one.
    """
    require_type(request, "multipart/form-data")
    fields: list[tuple[str, bytes]] = []
    if not request.headers.get("content-type"):
        return fields
    messages: list[Message] = [
        {"type": "http.request", "body": await read_body(request, FORM_LIMIT), "more_body": False}
    ]

    async def receive() -> Message:
        return messages.pop()

    async with Request(request.scope, receive).form(max_files=0, max_part_size=FORM_LIMIT) as form:
        fields += [(name, str(value).encode()) for name, value in form.multi_items()]
    return fields
