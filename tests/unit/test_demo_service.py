"""The demo service: it degrades, a restart cures it, and the same key never restarts twice."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.service.app import create_app
from sandbox.service.fleet import LEAK_SECONDS, Fleet
from tests.support.postgres import free_port
from tests.support.until import until

TOKEN = "ops-token-1"
PORT = str(free_port())


class Clock:
    now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(name="clock")
def _clock() -> Clock:
    return Clock()


@pytest.fixture(name="fleet")
def _fleet(tmp_path: Path, clock: Clock) -> Iterator[Fleet]:
    fleet = Fleet(tmp_path, clock)
    yield fleet
    fleet.close()


def client(fleet: Fleet) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(create_app(fleet, TOKEN))
    return httpx.AsyncClient(transport=transport, base_url="http://service")


def headers(key: str | None = "key-1", token: str = TOKEN) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", **({"Idempotency-Key": key} if key else {})}


def test_payment_api_is_degraded_from_the_start_and_the_others_are_well(fleet: Fleet) -> None:
    payment, checkout = fleet.health("payment-api"), fleet.health("checkout-web")
    assert (payment.healthy, payment.error_rate) == (False, 0.45)
    assert (checkout.healthy, checkout.error_rate) == (True, 0.0)


def test_a_restart_cures_and_the_leak_comes_back(fleet: Fleet, clock: Clock) -> None:
    fleet.restart("payment-api", 3, "key-1")
    assert fleet.health("payment-api").state == "restarting"
    clock.now += 1
    well = fleet.health("payment-api")
    assert (well.healthy, well.state, well.instances, well.restarts) == (True, "running", 3, 1)
    clock.now += LEAK_SECONDS
    assert fleet.health("payment-api").error_rate == 0.45
    clock.now += LEAK_SECONDS
    assert fleet.health("payment-api").error_rate == 0.45


def test_counts_and_answers_survive_a_new_process(fleet: Fleet, tmp_path: Path, clock: Clock) -> None:
    answer, _ = fleet.restart("payment-api", 2, "key-1")
    fleet.close()
    again = Fleet(tmp_path, clock)
    assert again.restart("payment-api", 2, "key-1") == (answer, False)
    assert again.restarts()["payment-api"] == 1
    again.close()


def test_the_same_key_answers_the_same_and_restarts_nothing(fleet: Fleet) -> None:
    async def story() -> list[httpx.Response]:
        async with client(fleet) as http:
            calls = [
                http.post("/services/payment-api/restart", json={"instances": 2}, headers=headers())
                for _ in range(5)
            ]
            return [*await asyncio.gather(*calls), await http.get("/restarts")]

    *answers, counts = asyncio.run(story())
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert {name: count for name, count in counts.json().items() if count} == {"payment-api": 1}


REFUSED: list[Any] = [
    pytest.param("payment-api", {"instances": 2}, headers(token="wrong"), 401, id="wrong token"),
    pytest.param("payment-api", {"instances": 2}, {}, 401, id="no token"),
    pytest.param("payment-api", {"instances": 2}, headers(key=None), 400, id="no key"),
    pytest.param("payment-api", {"instances": 0}, headers(), 422, id="no instances"),
    pytest.param("payment-api", {"instances": 7}, headers(), 422, id="too many"),
    pytest.param("payment-api", {"instances": True}, headers(), 422, id="a boolean"),
    pytest.param("payment-api", [], headers(), 422, id="no object"),
    pytest.param("nobody", {"instances": 2}, headers(), 404, id="unknown service"),
]


@pytest.mark.parametrize(("name", "body", "sent", "status"), REFUSED)
def test_a_wrong_request_is_refused_and_restarts_nothing(
    fleet: Fleet, name: str, body: Any, sent: dict[str, str], status: int
) -> None:
    async def story() -> httpx.Response:
        async with client(fleet) as http:
            return await http.post(f"/services/{name}/restart", json=body, headers=sent)

    answer = asyncio.run(story())
    assert answer.status_code == status
    assert answer.json()["error"].endswith(".")
    assert not any(fleet.restarts().values())


def test_a_key_of_another_request_is_refused(fleet: Fleet) -> None:
    fleet.restart("payment-api", 2, "key-1")

    async def story() -> httpx.Response:
        async with client(fleet) as http:
            return await http.post("/services/search-api/restart", json={"instances": 2}, headers=headers())

    assert asyncio.run(story()).status_code == 422
    assert fleet.restarts()["search-api"] == 0


def test_reading_needs_no_token(fleet: Fleet) -> None:
    async def story() -> list[httpx.Response]:
        async with client(fleet) as http:
            return [await http.get(f"/services{path}") for path in ("", "/search-api", "/nobody")]

    every, one, unknown = asyncio.run(story())
    assert one.json() in every.json()
    assert unknown.status_code == 404


# --- As a process of its own ----------------------------------------------------------------------------


@pytest.fixture(name="url")
def _url(tmp_path: Path) -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox.service", "--port", PORT, "--data", str(tmp_path), "--test-hooks"],
        env={**os.environ, "SANDBOX_SERVICE_TOKEN": TOKEN},
        stdout=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{PORT}"

    def is_up() -> bool:
        try:
            return httpx.get(f"{url}/health").status_code == 200
        except httpx.TransportError:
            return False

    until(is_up, "the demo service answers")
    yield url
    process.terminate()
    assert process.wait(3) == 0


@pytest.mark.parametrize("acts", [False, True])
@pytest.mark.parametrize(("how", "status"), [("500", 500), ("503", 503), ("drop", None), ("hang", None)])
def test_a_restart_can_be_made_to_go_wrong(url: str, how: str, status: int | None, acts: bool) -> None:
    httpx.post(f"{url}/test-hooks/misbehave", json={"how": how, "acts": acts})

    def restart() -> httpx.Response:
        return httpx.post(
            f"{url}/services/payment-api/restart", json={"instances": 2}, headers=headers(), timeout=1.5
        )

    if status:
        assert restart().status_code == status
    else:
        with pytest.raises(httpx.ReadTimeout if how == "hang" else httpx.RemoteProtocolError):
            restart()
    assert httpx.get(f"{url}/restarts").json()["payment-api"] == int(acts)
    assert restart().status_code == 200
    assert httpx.get(f"{url}/restarts").json()["payment-api"] == 1


def test_a_taken_port_is_one_sentence(url: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sandbox.service", "--port", PORT, "--data", str(tmp_path / "other")],
        env={**os.environ, "SANDBOX_SERVICE_TOKEN": TOKEN},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr == (
        f"The demo service cannot listen on 127.0.0.1:{PORT}: Address already in use. "
        "Choose another --port.\n"
    )
