"""The desk opened to the network: reached under the machine's address by signing in, and nothing else is."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from sandbox.supervisor.keys import Keys
from sandbox.supervisor.lan import NoNetwork, find_address
from sandbox.supervisor.part import Part
from sandbox.supervisor.plan import Sandbox
from sandbox.supervisor.ports import EVERY_ADDRESS, Ports
from tests.support.sandbox import RunningSandbox

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def address() -> str:
    try:
        return find_address()
    except NoNetwork as nothing:
        pytest.skip(str(nothing))


@pytest.fixture(scope="module")
def desk(
    sandbox: RunningSandbox, address: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Part, str]]:
    """One more desk over the running sandbox, as `--lan` starts it, and its address."""
    named = {part: urlsplit(sandbox.urls[part]).port or 0 for part in ("kestra", "model", "service")}
    ports = Ports(
        desk=Ports.free().desk,
        gateway=urlsplit(sandbox.urls["supabase"]).port or 0,
        postgres=urlsplit(sandbox.endpoints["postgres"]["url"]).port or 0,
        **named,
    )
    part = Sandbox(sandbox.folder, ports, Keys.of(sandbox.folder), lan_address=address).desk()
    environment = {**part.program.environment, "INCIDENTSCRIBE_WORKER": "off"}
    log = tmp_path_factory.mktemp("lan") / "desk.log"
    part.program = replace(part.program, environment=environment, log=log)
    part.start()
    try:
        part.wait_ready(lambda _: None)
        yield part, f"http://{address}:{ports.desk}"
    finally:
        part.ask_to_stop()
        part.wait_stopped(10)


def listening(pid: int) -> set[str]:
    found = psutil.Process(pid).net_connections("inet")
    return {connection.laddr.ip for connection in found if connection.status == psutil.CONN_LISTEN}


def test_only_the_desk_listens_to_the_network(desk: tuple[Part, str], sandbox: RunningSandbox) -> None:
    part, _ = desk
    assert part.pid is not None
    assert listening(part.pid) == {EVERY_ADDRESS}
    everything_else = set().union(*(listening(pid) for pid in sandbox.processes() if pid != part.pid))
    assert {found.removeprefix("::ffff:") for found in everything_else} == {"127.0.0.1"}


def test_it_is_reached_under_its_address_and_refuses_every_other_name(desk: tuple[Part, str]) -> None:
    _, url = desk
    assert httpx.get(f"{url}/login", trust_env=False).status_code == 200
    for host in ("desk.example", "192.0.2.200", "evil.example:80"):
        answer = httpx.get(f"{url}/login", headers={"Host": host}, trust_env=False)
        assert answer.status_code == 400, host


def test_people_sign_in_there_with_a_password_and_never_by_a_button(
    desk: tuple[Part, str], sandbox: RunningSandbox
) -> None:
    _, url = desk
    account = sandbox.account("responder")
    with httpx.Client(base_url=url, trust_env=False) as phone:
        page = phone.get("/login").text
        assert 'name="account"' not in page
        assert account["password"] not in page
        token = page.partition('name="form_token" value="')[2][:64]
        pressed = {"form_token": token, "account": account["email"]}
        assert phone.post("/login", data=pressed, headers={"Origin": url}).status_code == 422
        typed = {"form_token": token, "email": account["email"], "password": account["password"]}
        elsewhere = phone.post("/login", data=typed, headers={"Origin": "http://evil.example"})
        assert elsewhere.status_code == 403
        assert phone.post("/login", data=typed, headers={"Origin": url}).status_code == 303
        assert phone.get("/").status_code == 200


def test_the_log_of_that_desk_names_no_key(desk: tuple[Part, str], sandbox: RunningSandbox) -> None:
    part, _ = desk
    text = Path(part.program.log).read_text()
    assert not [key for key in vars(Keys.of(sandbox.folder)).values() if key in text]
