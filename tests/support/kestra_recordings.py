"""Recorded exchanges with real Kestras, replayed to our client.

`Replay` answers exactly the recordings it was given, in order, and fails on any other request, so a
test proves both directions: what the client sends, and what it makes of the answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import httpx

FOLDER = Path(__file__).parents[1] / "contract" / "recordings"
LINES = ("1.3.25", "2.0-snapshot")
USERNAME, PASSWORD = "admin@kestra.io", "Secret-0815"


def recording(line: str, name: str) -> dict[str, Any]:
    """A recording by its name without number: `resume-again`."""
    (file,) = [f for f in (FOLDER / line).glob("*.json") if re.sub(r"^\d+-", "", f.stem) == name]
    exchange: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return exchange


def executions_in(exchange: dict[str, Any]) -> list[dict[str, Any]]:
    """The executions of a recorded stream, in order of arrival."""
    texts = [
        text.removeprefix("data: ") for _, text in exchange["response"]["lines"] if text.startswith("data: ")
    ]
    return [answer for answer in map(json.loads, texts) if "state" in answer]


class Replay:
    """A handler for httpx.MockTransport."""

    def __init__(self, line: str, names: Sequence[str]) -> None:
        self.configs = recording(line, "configs")
        self.expected = [recording(line, name) for name in names]
        self.asked_configs = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/api/v1/configs":
            self.asked_configs += 1
            return answer(self.configs["response"])
        exchange = self.expected.pop(0)
        expect_same(exchange["request"], request)
        return answer(exchange["response"])


def answer(response: dict[str, Any]) -> httpx.Response:
    """A recorded response as httpx has it; streams come as one text."""
    headers = {k: v for k, v in response["headers"].items() if k != "content-length"}
    if "lines" in response:
        text = "\n".join(line for _, line in response["lines"]) + "\n"
        return httpx.Response(response["status"], headers=headers, content=text.encode())
    body = response["body"]
    content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return httpx.Response(response["status"], headers=headers, content=content)


def expect_same(recorded: dict[str, Any], request: httpx.Request) -> None:
    """The request is the recorded one: address, parameters, credentials, body."""
    assert (request.method, request.url.path) == (recorded["method"], recorded["path"])
    assert dict(request.url.params) == recorded.get("params", {})
    assert ("authorization" in request.headers) == recorded["auth"]
    body = request.read()
    if "json" in recorded:
        assert json.loads(body) == recorded["json"]
    elif "multipart" in recorded:
        assert form_fields(request) == recorded["multipart"]
    elif "content" in recorded:
        assert body.decode() == recorded["content"]
        assert request.headers["content-type"] == recorded["headers"]["content-type"]
    else:
        assert body == b""


def form_fields(request: httpx.Request) -> dict[str, str]:
    """The fields of a multipart body."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    message = BytesParser().parsebytes(head + request.read())
    fields = {}
    for part in message.get_payload():
        assert not isinstance(part, str)
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        assert isinstance(name, str)
        assert isinstance(content, bytes)
        fields[name] = content.decode()
    return fields
