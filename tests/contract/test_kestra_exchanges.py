"""Every recorded exchange with a Kestra of either line is asked and understood, or is named as not used."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import httpx
import pytest
from pydantic import SecretStr

from dashboard import errors
from dashboard.kestra_api.client import KestraApi
from dashboard.settings import KestraSettings
from tests.support.kestra_recordings import FOLDER, LINES, PASSWORD, USERNAME, Replay, recording

NAMESPACE, FLOW, KEY = "incident.response", "recording", "recording-key"


class Use(NamedTuple):
    """How the client asks an exchange, and what it makes of it: an answer, or an error of this type."""

    call: Callable[[KestraApi, dict[str, Any]], Any]
    error: type[errors.IncidentScribeError] | None = None


def execution(request: dict[str, Any]) -> str:
    """The execution that a recorded request is about."""
    found = re.search(r"/(?:executions|logs|outputs)/([^/]+)", request["path"])
    assert found
    return found[1]


def start(api: KestraApi, request: dict[str, Any]) -> str:
    *_, namespace, flow, key = request["path"].split("/")
    return api.start_by_webhook(namespace, flow, key, request["json"])


def resume(api: KestraApi, request: dict[str, Any]) -> None:
    api.resume(execution(request), request.get("multipart"))


def flow_of(request: dict[str, Any]) -> tuple[str, str]:
    namespace, flow = request["path"].split("/")[-2:]
    return namespace, flow


def search(api: KestraApi, request: dict[str, Any]) -> Any:
    return api.search_executions(namespace=NAMESPACE, flow_id=FLOW, states=["SUCCESS", "FAILED"], size=2)


def get(api: KestraApi, request: dict[str, Any]) -> Any:
    return api.get_execution(execution(request))


def follow(api: KestraApi, request: dict[str, Any]) -> Any:
    return [frame.execution for frame in api.follow(execution(request))][-1]


USED = {
    "configs": Use(lambda api, _: api.get_instance()),
    "flow-validate-ok": Use(lambda api, r: api.validate_flow(r["content"]) == []),
    "flow-validate-bad": Use(lambda api, r: api.validate_flow(r["content"])[0]),
    "flow-create": Use(lambda api, r: api.create_flow(r["content"])),
    "flow-create-again": Use(lambda api, r: api.create_flow(r["content"]), errors.InvalidInput),
    "flow-update": Use(lambda api, r: api.update_flow(*flow_of(r), r["content"])),
    "flow-get": Use(lambda api, r: api.find_flow(*flow_of(r))),
    "kv-put": Use(lambda api, _: api.put_kv(NAMESPACE, "GEMINI_BASE_URL", "http://127.0.0.1:18999")),
    "kv-get": Use(lambda api, _: api.find_kv(NAMESPACE, "GEMINI_BASE_URL")),
    "kv-unknown": Use(lambda api, _: api.find_kv(NAMESPACE, "ABSENT") is None),
    "webhook-medium": Use(start),
    "webhook-fails": Use(start),
    "webhook-to-kill": Use(start),
    "webhook-unknown-flow": Use(start, errors.NotFound),
    "webhook-wrong-key": Use(start, errors.NotFound),
    "execution-paused": Use(get),
    "execution-success": Use(get),
    "execution-failed": Use(get),
    "execution-unknown": Use(get, errors.NotFound),
    "resume": Use(resume),
    "resume-missing-input": Use(resume, errors.InvalidInput),
    "resume-again": Use(resume, errors.NotPaused),
    "resume-finished": Use(resume, errors.NotPaused),
    "resume-killed": Use(resume, errors.NotPaused),
    "resume-unknown": Use(resume, errors.NotFound),
    "restart-failed": Use(lambda api, r: api.restart(execution(r))),
    "kill": Use(lambda api, r: api.kill(execution(r))),
    "kill-finished": Use(lambda api, r: api.kill(execution(r))),
    "search-filters": Use(search),
    "logs-min-level": Use(lambda api, r: api.list_logs(execution(r))),
    "follow-medium-approved": Use(follow),
    "follow-failed": Use(follow),
    "follow-killed": Use(follow),
}

NOT_USED = {
    "unauthorized": "the client always has a password; wrong-password is the same answer",
    "wrong-password": "asked without parameters; test_kestra_client.py replays it with the client's own",
    "flow-unknown": "asked without `source`; test_kestra_client.py replays it with it",
    "webhook-without-tenant": "the guide's address; the client always names the tenant",
    "webhook-unmappable-input": "the client sends JSON only, which can always be mapped",
    "execution-flow": "the desk knows its flow",
    "resume-validate": "what a decision needs is checked by the database before it is delivered",
    "resume-json-refused": "the client sends a form",
    "logs": "the client always names a level",
    "logs-follow-medium": "asked without a level; test_kestra_client.py replays its answer",
    "outputs": "which task runs have any; the client asks for those of one (test_kestra_client.py)",
    "replay": "a run is started again as a new start, never as a copy",
    "search-unknown-field": "the client knows its fields",
    "search-bad-page": "the client counts from 1",
}


def recorded_names() -> list[tuple[str, str]]:
    return [
        (line, name)
        for line in LINES
        for name in sorted({re.sub(r"^\d+-", "", file.stem) for file in (FOLDER / line).glob("*.json")})
    ]


def api_of(replay: Callable[[httpx.Request], httpx.Response]) -> KestraApi:
    settings = KestraSettings(
        kestra_url="http://kestra.test", kestra_username=USERNAME, kestra_password=SecretStr(PASSWORD)
    )
    return KestraApi(settings, httpx.MockTransport(replay))


@pytest.mark.parametrize(("line", "name"), recorded_names())
def test_an_exchange_is_asked_as_recorded_and_understood(line: str, name: str) -> None:
    if name in NOT_USED:
        assert len(NOT_USED[name]) > 10
        return
    use, request = USED[name], recording(line, name)["request"]
    replay = Replay(line, [name] if name != "configs" else [])
    with api_of(replay) as api:
        if use.error is None:
            assert use.call(api, request) is not False
        else:
            with pytest.raises(use.error) as raised:
                use.call(api, request)
            assert "Kestra" in raised.value.what
            assert raised.value.what.endswith((".", "]", "`")) or ":" in raised.value.what
    assert replay.expected == []
    assert replay.asked_configs <= 2
