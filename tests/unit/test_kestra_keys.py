"""The names of the flow's values, read from Kestra page by page and without the values."""

from __future__ import annotations

import httpx
from pydantic import SecretStr

from dashboard.kestra_api.client import KestraApi
from dashboard.settings import KestraSettings


def test_keys_of_one_namespace_are_gathered_over_all_pages() -> None:
    entries = [{"namespace": "incident.response", "key": f"KEY_{n}"} for n in range(150)]
    entries.insert(3, {"namespace": "elsewhere", "key": "THEIRS"})

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/api/v1/main/kv"
        page, size = int(request.url.params["page"]), int(request.url.params["size"])
        return httpx.Response(
            200, json={"results": entries[(page - 1) * size : page * size], "total": len(entries)}
        )

    settings = KestraSettings(kestra_url="http://kestra.test", kestra_password=SecretStr("-"))
    with KestraApi(settings, httpx.MockTransport(answer)) as api:
        keys = api.list_kv_keys("incident.response")
    assert keys == {f"KEY_{n}" for n in range(150)}
