"""Reading Kestra's answers: within bounds of time and size, and whatever texts they carry."""

from __future__ import annotations

import json
import time
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from dashboard.errors import UpstreamProtocolError, UpstreamUnreachable
from dashboard.kestra_api.refusals import SERVICE

_M = TypeVar("_M", bound=BaseModel)


def whole(response: httpx.Response, seconds: float, most_bytes: int) -> httpx.Response:
    """A streamed response with its body read.

    Raises UpstreamUnreachable when that takes longer than `seconds`, UpstreamProtocolError when it is longer
    than `most_bytes`.
    """
    deadline = time.monotonic() + seconds
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > most_bytes:
            raise UpstreamProtocolError(SERVICE, f"Kestra's answer is longer than {most_bytes:,} bytes.")
        if time.monotonic() > deadline:
            raise UpstreamUnreachable(SERVICE, f"Kestra's answer was not whole after {seconds:.0f} seconds.")
    headers = [(k, v) for k, v in response.headers.multi_items() if k not in _OF_THE_TRANSFER]
    return httpx.Response(
        response.status_code, headers=headers, content=bytes(body), request=response.request
    )


_OF_THE_TRANSFER = ("content-encoding", "content-length", "transfer-encoding")


def read(model: type[_M], response: httpx.Response) -> _M:
    """An answer as a model. Raises UpstreamProtocolError when it is something else."""
    return read_text(model, response.text)


def read_text(model: type[_M], text: str) -> _M:
    """JSON text as a model. Raises UpstreamProtocolError when it is something else."""
    try:
        return model.model_validate_json(text)
    except (ValidationError, OverflowError):
        return _read_with_care(model, text)


def _read_with_care(model: type[_M], text: str) -> _M:
    """Again, with halves of surrogate pairs replaced: in a log line they must not hide an execution."""
    try:
        return model.model_validate(_clean(json.loads(text)))
    except (ValidationError, OverflowError, ValueError, RecursionError) as error:
        raise UpstreamProtocolError(
            SERVICE, f"Kestra's answer was not understood as {model.__name__}.", excerpt=text
        ) from error


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_clean(each) for each in value]
    if isinstance(value, dict):
        return {_clean(name): _clean(each) for name, each in value.items()}
    return value
