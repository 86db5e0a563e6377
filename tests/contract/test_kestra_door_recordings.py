"""The door answers as a Kestra 2.0 did: every recorded exchange that it serves, asked again in order."""

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.kestra import RunningEngine
from tests.support.kestra_recordings import FOLDER

pytestmark = pytest.mark.engine

_NOT_SERVED = {
    "execution-flow",
    "resume-validate",
    "replay",
    "search-filters",
    "search-unknown-field",
    "search-bad-page",
    "logs-follow-medium",
}
# Streams are compared in test_kestra_stream.py.
_STREAMS = {"follow-medium-approved", "follow-failed", "follow-killed"}
# After these the recording went on only when the execution had come so far.
_AWAITED = {
    "webhook-without-tenant": "SUCCESS",
    "webhook-medium": "PAUSED",
    "resume": "SUCCESS",
    "webhook-fails": "FAILED",
    "restart-failed": "FAILED",
    "webhook-to-kill": "PAUSED",
    "kill": "KILLED",
}
# What the release has and the snapshot had not, or what depends on the moment of the answer.
_NEW_IN_RELEASE = {"draft"}
_OF_THE_MOMENT = {"endDate", "duration", "attempts", "outputs"}
_CONFIGS_OF_THE_USER_INTERFACE = {"flowTemplate", "preview", "pluginsHash"}


def exchanges() -> Iterator[tuple[str, dict[str, Any]]]:
    for file in sorted((FOLDER / "2.0-snapshot").glob("*.json")):
        name = re.sub(r"^\d+-", "", file.stem)
        if name not in _NOT_SERVED | _STREAMS:
            yield name, json.loads(file.read_text())


def test_every_recorded_exchange_is_answered_alike(kestra: RunningEngine) -> None:
    ids: dict[str, str] = {}  # recorded execution -> ours
    for name, recorded in exchanges():
        text = json.dumps(recorded)
        for theirs, ours in ids.items():
            text = text.replace(theirs, ours)
        exchange = json.loads(text)
        answer = ask(kestra, name, exchange["request"])
        expected = exchange["response"]
        assert answer.status_code == expected["status"], (name, answer.text)
        if expected["body"] == "":
            assert answer.content == b"", name
            continue
        found = answer.json()
        if answer.status_code >= 400:
            assert found == expected["body"], name
        else:
            assert differences(expected["body"], found) == set(), name
        if name.startswith("webhook-"):
            ids[expected["body"].get("id", "")] = found.get("id", "")
        if name in _AWAITED:
            kestra.wait_for(found["id"], _AWAITED[name])


def ask(kestra: RunningEngine, name: str, recorded: dict[str, Any]) -> httpx.Response:
    more: dict[str, Any] = {key: recorded[key] for key in ("json", "content", "headers") if key in recorded}
    if "params" in recorded:
        more["params"] = recorded["params"]
    if "multipart" in recorded:
        more["files"] = {key: (None, value) for key, value in recorded["multipart"].items()}
    if name == "wrong-password":
        return kestra.http.request(recorded["method"], recorded["path"], auth=("x", "y"), **more)
    client = kestra.http if recorded["auth"] else kestra.anonymous
    return client.request(recorded["method"], recorded["path"], **more)


def differences(expected: Any, found: Any, at: str = "") -> set[str]:
    """The names that only one of both has, and types that differ; values are the moment's."""
    if isinstance(expected, dict) and isinstance(found, dict):
        ignored = _NEW_IN_RELEASE | _OF_THE_MOMENT | (_CONFIGS_OF_THE_USER_INTERFACE if at == "" else set())
        names = {f"{at}.{name}" for name in (expected.keys() ^ found.keys()) - ignored}
        return names.union(
            *(differences(expected[n], found[n], f"{at}.{n}") for n in expected.keys() & found.keys())
        )
    if isinstance(expected, list) and isinstance(found, list):
        return set().union(
            *(differences(one, other, f"{at}[]") for one, other in zip(expected, found, strict=False))
        )
    return set() if type(expected) is type(found) else {f"{at}: {expected!r} is now {found!r}"}
