"""The desk on the network: one name more, one part more, nothing else."""

import socket
from pathlib import Path

import pytest

from dashboard.settings import WebSettings
from dashboard.web.guard import is_allowed_host
from sandbox.supervisor import lan
from sandbox.supervisor.keys import Keys
from sandbox.supervisor.plan import Sandbox
from sandbox.supervisor.ports import EVERY_ADDRESS, Ports, PortTaken

ADDRESS = "192.0.2.7"


def desk_environment(folder: Path, address: str | None) -> dict[str, str]:
    sandbox = Sandbox(folder, Ports(), Keys(), lan_address=address)
    return dict(sandbox.desk().program.environment)


def test_only_the_desk_is_told_to_listen_to_the_network(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path, Ports(), Keys(), lan_address=ADDRESS)
    assert sandbox.desk().program.environment["INCIDENTSCRIBE_HOST"] == EVERY_ADDRESS
    for part in sandbox.parts():
        program = part.program
        assert not any(
            EVERY_ADDRESS in text or ADDRESS in text
            for text in (*program.command, *program.environment.values())
        ), part.name


def test_without_it_nothing_is(tmp_path: Path) -> None:
    assert "INCIDENTSCRIBE_HOST" not in desk_environment(tmp_path, None)
    assert "INCIDENTSCRIBE_ALLOWED_HOSTS" not in desk_environment(tmp_path, None)


def test_the_desk_answers_under_that_address_and_no_other(tmp_path: Path) -> None:
    names = desk_environment(tmp_path, ADDRESS)["INCIDENTSCRIBE_ALLOWED_HOSTS"]
    settings = WebSettings.load(
        supabase_anon_key="x", kestra_password="x", INCIDENTSCRIBE_ALLOWED_HOSTS=names
    )
    for host in (f"{ADDRESS}:8501", "127.0.0.1:8501", "localhost:8501"):
        assert is_allowed_host(host, settings.allowed_hosts), host
    for host in ("192.0.2.8:8501", f"{ADDRESS}.evil.example", "desk.example", EVERY_ADDRESS, "*"):
        assert not is_allowed_host(host, settings.allowed_hosts), host


def test_a_port_taken_on_another_address_is_noticed() -> None:
    with socket.socket() as other:
        other.bind((EVERY_ADDRESS, 0))
        taken = Ports(
            desk=other.getsockname()[1],
            **{name: port for name, port in vars(Ports.free()).items() if name != "desk"},
        )
        with pytest.raises(PortTaken, match="which the desk needs"):
            taken.require_free(lan=True)


def test_a_machine_without_a_network_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    class Offline(socket.socket):
        def connect(self, address: object) -> None:
            raise OSError("Network is unreachable")

    monkeypatch.setattr("sandbox.supervisor.lan.socket.socket", Offline)
    with pytest.raises(lan.NoNetwork, match="in no network"):
        lan.find_address()


def test_the_code_is_lines_of_blocks_that_fit_a_terminal() -> None:
    lines = lan.qr_code(f"http://{ADDRESS}:8501").splitlines()
    assert 10 < len([line for line in lines if line.strip()]) < 24
    assert max(map(len, lines)) < 60
