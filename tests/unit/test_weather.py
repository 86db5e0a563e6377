"""The bad network of the tests does what it says, and the same again for the same seed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from tests.support.relay import Relay, relay
from tests.support.weather import IN_A_ROW, STORM, Weather

PIECES = 20


class Server:
    """Counts what arrives; a stream of PIECES pieces for whoever wants one."""

    def __init__(self) -> None:
        self.arrived: list[bytes] = []

    def start(self) -> ThreadingHTTPServer:
        arrived = self.arrived

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                arrived.append(self.rfile.read(int(self.headers["content-length"])))
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"x" * 1000)

            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.end_headers()
                for number in range(PIECES):
                    self.wfile.write(f"data: {number}\n\n".encode())

            def log_message(self, *arguments: object) -> None:
                pass

        listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=listener.serve_forever, daemon=True).start()
        return listener


@pytest.fixture
def line() -> Iterator[tuple[Server, Relay]]:
    server = Server()
    listener = server.start()
    with relay(f"http://127.0.0.1:{listener.server_port}") as between:
        yield server, between
    listener.shutdown()
    listener.server_close()


def only(how: str) -> Weather:
    return Weather(1, "a leg", {how: 1.0})


@pytest.mark.parametrize(
    ("how", "arrives", "is_answered"),
    [
        ("delay", 1, True),
        ("drip", 1, True),
        ("twice", 2, True),
        ("lost", 1, False),
        ("drop", 0, False),
    ],
)
def test_each_trouble(line: tuple[Server, Relay], how: str, arrives: int, is_answered: bool) -> None:
    server, between = line
    between.weather = only(how)
    with httpx.Client(trust_env=False) as client:
        if is_answered:
            assert client.post(between.url, content=b"asked").content == b"x" * 1000
        else:
            with pytest.raises(httpx.RemoteProtocolError):
                client.post(between.url, content=b"asked")
    assert server.arrived == [b"asked"] * arrives
    assert between.weather.met == {how: 1}


@pytest.mark.parametrize(("how", "whole"), [("drip", True), ("", True), ("lost", False)])
def test_a_stream_comes_piece_by_piece_and_can_be_cut_on_its_way(
    line: tuple[Server, Relay], how: str, whole: bool
) -> None:
    _, between = line
    between.weather = only(how) if how else None
    headers = {"Accept": "text/event-stream"}
    with httpx.Client(trust_env=False) as client, client.stream("GET", between.url, headers=headers) as got:
        text = got.read().decode()
    everything = "".join(f"data: {number}\n\n" for number in range(PIECES))
    assert everything.startswith(text)
    assert text if not whole else text == everything


def test_the_same_seed_is_the_same_weather_and_another_leg_another() -> None:
    def some(seed: int, leg: str) -> list[object]:
        weather = Weather(seed, leg)
        return [weather.next(str(number).encode()) for number in range(200)]

    assert some(1, "a") == some(1, "a")
    assert some(1, "a") != some(2, "a")
    assert some(1, "a") != some(1, "b")
    kinds = {getattr(trouble, "how", "") for trouble in some(1, "a")}
    assert kinds == {"", *STORM}


def test_one_request_fails_only_so_often_in_a_row() -> None:
    weather = only("lost")
    met = [weather.next(b"the same") is not None for _ in range(9)]
    assert met == ([True] * IN_A_ROW + [False]) * 3
