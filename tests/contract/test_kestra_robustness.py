"""A Kestra may be newer, slow, hostile or something else: whatever it answers stays a typed error."""

from __future__ import annotations

import copy
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from dashboard import errors
from dashboard.domain.execution import Execution, state_word
from dashboard.kestra_api import client, connection
from dashboard.kestra_api.client import KestraApi
from dashboard.settings import KestraSettings
from tests.support.kestra_recordings import LINES, executions_in, recording

QUIETLY = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def skeleton(answer: dict[str, Any]) -> dict[str, Any]:
    """An execution without what is only carried, and with two task runs at most."""
    kept = {name: value for name, value in answer.items() if name not in ("inputs", "outputs", "trigger")}
    runs = [{n: v for n, v in run.items() if n != "outputs"} for run in kept.get("taskRunList", ())]
    return kept | {"taskRunList": runs[:2]}


ANSWERS = [
    *(skeleton(recording(line, "execution-success")["response"]["body"]) for line in LINES),
    *(skeleton(executions_in(recording(line, "follow-failed"))[3]) for line in LINES),
]
KNOWN = {
    "parentTaskRunId",
    "originalId",
    "parentId",
    "value",
    "attempts",
    "inputs",
    "outputs",
    "flowRevision",
}


def api_at(url: str, transport: httpx.BaseTransport | None = None) -> KestraApi:
    password = SecretStr("Secret-0815")
    return KestraApi(
        KestraSettings(kestra_url=url, kestra_username="a@b.c", kestra_password=password), transport
    )


def answering(answer: Callable[[httpx.Request], httpx.Response]) -> KestraApi:
    return api_at("http://kestra.test", httpx.MockTransport(answer))


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every object within a JSON value."""
    if isinstance(value, dict):
        yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from objects(each)


def read(answer: Any) -> Execution:
    body = json.dumps(answer).encode()  # lone surrogates as \\ud800, which Jackson writes too
    with answering(lambda _: httpx.Response(200, content=body)) as api:
        return api.get_execution("x")


@QUIETLY
@given(st.sampled_from(ANSWERS), st.text(min_size=1), JSON, st.data())
def test_unknown_fields_anywhere_change_nothing(
    answer: dict[str, Any], name: str, value: Any, data: st.DataObject
) -> None:
    changed = copy.deepcopy(answer)
    place = data.draw(st.sampled_from(list(objects(changed))))
    if name not in KNOWN:
        place.setdefault(name, value)
    assert read(changed) == read(answer)


@QUIETLY
@given(st.sampled_from(ANSWERS), st.text(min_size=1))
def test_an_unknown_state_is_read_and_never_shown_as_success(answer: dict[str, Any], state: str) -> None:
    changed = copy.deepcopy(answer)
    changed["state"]["current"] = state
    for run in changed.get("taskRunList", ()):
        run["state"]["current"] = state
        run["state"]["histories"].append({"state": state, "date": "2026-11-23T18:22:29Z"})
    found = read(changed)
    assert len(found.task_runs) == len(changed.get("taskRunList", ()))
    if state != "SUCCESS":
        assert state_word(found.state).label != "Succeeded"


@QUIETLY
@given(st.sampled_from(ANSWERS), st.data())
def test_null_is_as_good_as_absent(answer: dict[str, Any], data: st.DataObject) -> None:
    optional = [
        "taskRunList",
        "inputs",
        "outputs",
        "labels",
        "originalId",
        "parentId",
        "flowRevision",
        "trigger",
    ]
    changed = copy.deepcopy(answer)
    for name in data.draw(st.sets(st.sampled_from(optional))):
        changed[name] = None
    assert read(changed).id == answer["id"]


@QUIETLY
@given(st.text(st.characters(codec=None, categories=None)))
def test_any_text_in_a_log_line_or_an_input_is_read(text: str) -> None:
    line = {"timestamp": "2026-11-23T18:22:29Z", "message": text, "level": "INFO"}
    answer = copy.deepcopy(ANSWERS[0]) | {"inputs": {"incident_data": {"title": text}}}

    def serve(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/configs"):
            return httpx.Response(200, json={"version": "2.0.0"})
        return httpx.Response(
            200, content=json.dumps([line] if "/logs/" in request.url.path else answer).encode()
        )

    with answering(serve) as api:
        clean = text.encode("utf-8", "replace").decode()
        assert [each.message for each in api.list_logs("x")] == [clean]
        assert api.get_execution("x").inputs["incident_data"]["title"] == clean


@QUIETLY
@given(
    JSON | st.binary(),
    st.integers(200, 599),
    st.sampled_from(["execution", "search", "logs", "resume", "kv"]),
)
def test_whatever_else_is_answered_is_an_error_of_ours(body: Any, status: int, what: str) -> None:
    calls: dict[str, Callable[[KestraApi], object]] = {
        "execution": lambda api: api.get_execution("x"),
        "search": lambda api: api.search_executions(),
        "logs": lambda api: api.list_logs("x"),
        "resume": lambda api: api.resume("x", {"decision": "approve"}),
        "kv": lambda api: api.find_kv("n", "k"),
    }
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    with (
        answering(lambda _: httpx.Response(status, content=content)) as api,
        suppress(errors.IncidentScribeError),
    ):
        calls[what](api)


@contextmanager
def listener(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server of one socket after the other, on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    one, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(one,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


def test_one_who_accepts_and_is_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_TIMEOUT", httpx.Timeout(0.2))
    over = threading.Event()

    def accept(one: socket.socket) -> None:
        with one:
            over.wait(20)

    with listener(accept) as url, api_at(url) as api:
        begun = time.monotonic()
        with pytest.raises(errors.UpstreamUnreachable) as raised:
            api.start_by_webhook("n", "f", "k", {})
        assert raised.value.may_have_arrived
        assert time.monotonic() - begun < 5
    over.set()


def test_one_who_dribbles_is_given_up_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_ANSWER_SECONDS", 0.3)
    over = threading.Event()

    def dribble(one: socket.socket) -> None:
        with one:
            one.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            while not over.wait(0.05):
                try:
                    one.sendall(b" ")
                except OSError:
                    return

    with listener(dribble) as url, api_at(url) as api:
        with pytest.raises(errors.UpstreamUnreachable, match="not whole"):
            api.get_execution("x")
        over.set()


def test_an_answer_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_MOST_BYTES", 1000)
    with (
        answering(lambda _: httpx.Response(200, content=b"x" * 1001)) as api,
        pytest.raises(errors.UpstreamProtocolError, match="longer than 1,000 bytes"),
    ):
        api.get_execution("x")


class Forgetful:
    """A Kestra that closes a connection, as idle, just when it is used again; it counts what arrives.

    After so many `answers` it answers nothing at all.
    """

    def __init__(self, answers: int) -> None:
        self.connections, self.requests, self._answers = 0, 0, answers

    def __call__(self, one: socket.socket) -> None:
        self.connections += 1
        with one, one.makefile("rb") as arriving:
            for place in range(2):
                if not _read_request(arriving):
                    return
                self.requests += 1
                if place or self.connections > self._answers:
                    return
                body = b'{"version": "2.0.0", "id": "new"}'
                one.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


def _read_request(arriving: BinaryIO) -> bool:
    """Takes one request off the wire, whole; False where there is none."""
    length, line = 0, b""
    while line != b"\r\n":
        line = arriving.readline()
        if not line:
            return False
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    arriving.read(length)
    return True


def test_what_is_read_over_a_connection_that_was_closed_as_idle_is_read_again() -> None:
    kestra = Forgetful(answers=2)
    with listener(kestra) as url, api_at(url) as api:
        for _ in range(2):
            assert api.get_instance().version == "2.0.0"
    assert (kestra.connections, kestra.requests) == (2, 3)


def test_one_who_closes_every_connection_is_unreachable_after_two() -> None:
    kestra = Forgetful(answers=0)
    with listener(kestra) as url, api_at(url) as api, pytest.raises(errors.UpstreamUnreachable):
        api.get_instance()
    assert kestra.connections == 2


def test_a_webhook_meets_no_connection_that_was_idle_and_is_sent_once() -> None:
    kestra = Forgetful(answers=2)
    with listener(kestra) as url, api_at(url) as api:
        api.get_instance()
        assert api.start_by_webhook("n", "f", "k", {}) == "new"
    assert (kestra.connections, kestra.requests) == (2, 2)

    kestra = Forgetful(answers=0)
    with listener(kestra) as url, api_at(url) as api, pytest.raises(errors.UpstreamUnreachable) as raised:
        api.start_by_webhook("n", "f", "k", {})
    assert raised.value.may_have_arrived
    assert kestra.connections == 1


class Upgraded:
    """A Kestra that is 1.3 until it is told that it was upgraded; it may be away."""

    def __init__(self) -> None:
        self.version, self.away, self.asked = "1.3.25", False, 0
        self.levels: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.away:
            raise httpx.ConnectError("refused")
        if request.url.path.endswith("/configs"):
            self.asked += 1
            return httpx.Response(200, json={"version": self.version})
        self.levels.append(next(iter(request.url.params)))
        return httpx.Response(200, json=[])


def test_the_line_is_asked_for_once() -> None:
    kestra = Upgraded()
    with answering(kestra) as api:
        for _ in range(5):
            api.list_logs("x")
    assert kestra.asked == 1
    assert set(kestra.levels) == {"minLevel"}


def test_after_an_absence_the_line_is_asked_for_again() -> None:
    kestra = Upgraded()
    with answering(kestra) as api:
        api.list_logs("x")
        kestra.away = True
        with pytest.raises(errors.UpstreamUnreachable):
            api.list_logs("x")
        kestra.away, kestra.version = False, "2.0.4"
        api.list_logs("x")
    assert kestra.levels == ["minLevel", "filters[level][GREATER_THAN_OR_EQUAL_TO]"]


def test_an_upgrade_without_absence_is_noticed_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_LINE_SECONDS", 0.0)
    kestra = Upgraded()
    with answering(kestra) as api:
        api.list_logs("x")
        kestra.version = "3.1.0"
        api.list_logs("x")
    assert kestra.levels == ["minLevel", "filters[level][GREATER_THAN_OR_EQUAL_TO]"]
