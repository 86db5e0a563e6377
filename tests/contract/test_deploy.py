"""A deployment against what real Kestras of both lines answered."""

from __future__ import annotations

import httpx
import pytest

from dashboard import deploy
from dashboard.kestra_api.client import KestraApi
from tests.contract.test_kestra_client import settings
from tests.support.kestra_recordings import LINES, Replay, recording


@pytest.mark.parametrize("line", LINES)
def test_a_flow_and_a_value_are_compared_and_written(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deploy, "FLOW_ID", "recording")
    source = recording(line, "flow-update")["request"]["content"]
    stored = recording(line, "kv-get")["response"]["body"]["value"]
    said: list[str] = []
    replay = Replay(line, ["flow-validate-ok"])
    replay.expected[0]["request"]["content"] = source
    replay.expected += [recording(line, "flow-get"), recording(line, "kv-get"), recording(line, "kv-unknown")]
    with KestraApi(settings(), httpx.MockTransport(replay)) as api:
        plan = deploy.read_plan(api, source, {"GEMINI_BASE_URL": stored, "ABSENT": "x"})
        deploy.describe(plan, said.append)
        assert replay.expected == []
        assert said == [
            "flow incident.response.recording: unchanged, revision 2",
            "value GEMINI_BASE_URL: unchanged",
            "value ABSENT: new",
        ]


@pytest.mark.parametrize("line", LINES)
def test_what_differs_is_written(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deploy, "FLOW_ID", "recording")
    replay = Replay(line, ["flow-update", "kv-put"])
    source, value = replay.expected[0]["request"]["content"], "http://127.0.0.1:18999"
    said: list[str] = []
    with KestraApi(settings(), httpx.MockTransport(replay)) as api:
        before = httpx.MockTransport(Replay(line, ["flow-get"]))
        with KestraApi(settings(), before) as other:
            found = other.find_flow("incident.response", "recording")
        assert found is not None
        plan = deploy.Plan(
            source,
            found.model_copy(update={"source": "id: recording"}),
            {"GEMINI_BASE_URL": value},
            {"GEMINI_BASE_URL": deploy.Standing.NEW},
        )
        deploy.carry_out(api, plan, said.append)
    assert replay.expected == []
    assert said == ["flow incident.response.recording updated, revision 2", "value GEMINI_BASE_URL stored"]
