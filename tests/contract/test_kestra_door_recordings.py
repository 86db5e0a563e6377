"""The door answers as a Kestra 2.0 did: every recorded request is asked again in order.

Every difference of status, of shape and of a refusal's words is one line; those that are meant stand in
`recordings/accepted.toml` with the reason.
"""

import json
import re
import tomllib
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

import httpx
import pytest

from tests.support.kestra import RunningEngine
from tests.support.kestra_recordings import FOLDER

pytestmark = pytest.mark.engine

ACCEPTED = tomllib.loads((FOLDER / "accepted.toml").read_text(encoding="utf-8"))
OF_THE_MOMENT = set(ACCEPTED["moment"]["names"])
# After these the recording went on only when the execution had come so far.
AWAITED = {
    "webhook-without-tenant": "SUCCESS",
    "webhook-medium": "PAUSED",
    "resume": "SUCCESS",
    "webhook-fails": "FAILED",
    "restart-failed": "FAILED",
    "replay": "FAILED",
    "webhook-to-kill": "PAUSED",
    "kill": "KILLED",
}


def exchanges() -> Iterator[tuple[str, dict[str, Any]]]:
    for file in sorted((FOLDER / "2.0-snapshot").glob("*.json")):
        yield re.sub(r"^\d+-", "", file.stem), json.loads(file.read_text())


def test_every_recorded_request_is_answered_alike_but_for_what_is_accepted(kestra: RunningEngine) -> None:
    ids: dict[str, str] = {}  # recorded execution -> ours
    seen: dict[str, list[str]] = {}
    for name, recorded in exchanges():
        text = json.dumps(recorded)
        for theirs, ours in ids.items():
            text = text.replace(theirs, ours)
        exchange = json.loads(text)
        expected = exchange["response"]
        if "lines" in expected:
            seen[name] = stream_differences(kestra, exchange)
            continue
        answer = ask(kestra, name, exchange["request"])
        seen[name] = answer_differences(expected, answer)
        if name.startswith("webhook-") or name == "replay":
            body = answer.json() if answer.content else {}
            ids[recorded["response"]["body"]["id"] if body.get("id") else name] = body.get("id", name)
        if name in AWAITED:
            kestra.wait_for(answer.json()["id"], AWAITED[name])
    found = {(name, each) for name, differences in seen.items() for each in differences}
    accepted = {(entry["exchange"], entry["difference"]) for entry in ACCEPTED.get("accepted", ())}
    assert found == accepted, "\n".join(
        [f"not accepted: {each}" for each in sorted(found - accepted)]
        + [f"no longer so: {each}" for each in sorted(accepted - found)]
    )


def test_everything_accepted_says_why() -> None:
    assert all(len(entry["why"]) > 20 for entry in ACCEPTED.get("accepted", ()))


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


def answer_differences(expected: dict[str, Any], answer: httpx.Response) -> list[str]:
    if answer.status_code != expected["status"]:
        return [f"status {expected['status']} is now {answer.status_code}"]
    if expected["body"] == "" or not answer.content:
        return [] if expected["body"] == "" and not answer.content else ["only one of both has a body"]
    words = answer.status_code >= 400
    return sorted(shape_differences(expected["body"], answer.json(), words=words))


def stream_differences(kestra: RunningEngine, exchange: dict[str, Any]) -> list[str]:
    """The first and the last frame: what comes between depends on how fast the reader was."""
    recorded = frames(line for _, line in exchange["response"]["lines"] if not line.startswith("<"))
    request = exchange["request"]
    now = []
    with kestra.http.stream("GET", request["path"], params=request.get("params")) as answer:
        for frame in frames(answer.iter_lines()):
            now.append(frame)
            if "/logs/" in request["path"] and len(now) == 4:
                break  # a log has no end, this one four frames
    theirs = list(recorded)
    found = [
        f"{a[0]} frame is now {b[0]}" for a, b in ((theirs[0], now[0]), (theirs[-1], now[-1])) if a[0] != b[0]
    ]
    for a, b in ((theirs[0], now[0]), (theirs[-1], now[-1])):
        found += [f"{a[0]} frame: {each}" for each in shape_differences(a[1], b[1])]
    return sorted(set(found))


def frames(lines: Any) -> Iterator[tuple[str, Any]]:
    kind = ""
    for line in lines:
        if line.startswith("id: "):
            kind = line.removeprefix("id: ")
        elif line.startswith("data: "):
            yield kind, json.loads(line.removeprefix("data: "))


def shape_differences(theirs: Any, ours: Any, at: str = "", *, words: bool = False) -> set[str]:
    """Names that only one of both has and types that differ; texts only where `words` matter."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        found = {f"{at}.{name} is missing" for name in theirs.keys() - ours.keys() - OF_THE_MOMENT}
        found |= {f"{at}.{name} is new" for name in ours.keys() - theirs.keys() - OF_THE_MOMENT}
        for name in theirs.keys() & ours.keys():
            found |= shape_differences(theirs[name], ours[name], f"{at}.{name}", words=words)
        return found
    if isinstance(theirs, list) and isinstance(ours, list):
        pairs = zip_longest(theirs, ours) if words else zip(theirs, ours, strict=False)
        return set().union(*(shape_differences(a, b, f"{at}[]", words=words) for a, b in pairs))
    if type(theirs) is not type(ours):
        return {f"{at} is now {type(ours).__name__} and not {type(theirs).__name__}"}
    return {f"{at} says otherwise"} if words and theirs != ours else set()
