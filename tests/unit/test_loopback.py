import pytest
from pydantic import SecretStr

from dashboard.kestra_api.client import KestraApi
from dashboard.loopback import is_loopback
from dashboard.settings import KestraSettings
from dashboard.store.connection import new_http_client
from tests.support.answering import Asked, Reply, answering


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.1", "::1"])
def test_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "10.0.0.1", "127.0.0.1.example.org", "localhost.example.org", "::2"])
def test_other_machines(host: str) -> None:
    assert not is_loopback(host)


def test_this_machine_is_reached_past_a_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)

    def reply(_: Asked) -> Reply:
        return Reply(value={"version": "2.0.0", "uuid": "u"})

    with answering(reply) as server:
        with new_http_client() as http:
            assert http.get(f"{server.url}/health").is_success
        settings = KestraSettings(kestra_url=server.url, kestra_password=SecretStr("x"))
        with KestraApi(settings) as api:
            assert api.get_instance().uuid == "u"
