"""The guide's webhook with payloads of every size, through the whole sandbox: what becomes of each."""

import json
import sys
import time
from pathlib import Path
from typing import Any, cast

import httpx

from tests.support.sandbox import RunningSandbox

_WEBHOOK = "/api/v1/executions/webhook/incident.response/incident-handler/incident-webhook-key"
_SIZES_KB = (16, 200, 900, 1_500)
_MOST_SECONDS = 600
_ENDED = {"SUCCESS", "WARNING", "FAILED", "KILLED", "CANCELLED"}


def run(folder: Path) -> list[str]:
    """Starts a sandbox below `folder`, sends each size once; the problems found."""
    sandbox = RunningSandbox(folder, seconds=900)
    sys.stdout.write("Payloads by webhook, through the whole flow\n")
    try:
        return [problem for size in _SIZES_KB for problem in _send(sandbox, size)]
    finally:
        sandbox.stop(60)


def _send(sandbox: RunningSandbox, kilobytes: int) -> list[str]:
    name = f"INC-{kilobytes}"
    begun = time.monotonic()
    try:
        answer = httpx.post(
            sandbox.urls["kestra"] + _WEBHOOK, json=_payload(name, kilobytes), timeout=_MOST_SECONDS
        )
    except httpx.HTTPError as error:
        return [f"{kilobytes} KB: the webhook did not answer ({error})"]
    if answer.status_code == 413:
        _say(kilobytes, f"refused with 413: {answer.json()['message']}")
        return []
    if answer.status_code != 200:
        return [f"{kilobytes} KB: the webhook answered {answer.status_code}"]
    accepted = time.monotonic() - begun
    state = _wait(sandbox, answer.json()["id"], begun)
    stored = _stored(sandbox, name)
    _say(
        kilobytes,
        f"accepted after {accepted:.1f} s, {state} after {time.monotonic() - begun:.1f} s, "
        + (f"stored with {len(stored['logs'])} log lines" if stored else "not stored"),
    )
    if state not in {*_ENDED, "PAUSED"}:
        return [f"{kilobytes} KB: still {state} after {_MOST_SECONDS} s"]
    if not stored and state not in ("FAILED", "KILLED"):
        return [f"{kilobytes} KB: the run is {state}, but the incident is not stored"]
    return []


def _payload(name: str, kilobytes: int) -> dict[str, Any]:
    payload: dict[str, Any] = {
        "id": name,
        "service": "payment-api",
        "severity": "HIGH",
        "title": f"Errors in {kilobytes} KB of log",
        "logs": [],
        "metrics": {"error_rate": 0.45},
        "context": {"host": "prod-api-1"},
    }
    line = "2026-11-24T03:00:00Z ERROR [pool-{n}] Connection timeout after 30000 ms: pool exhausted"
    size = len(json.dumps(payload))
    while size < kilobytes * 1000:
        payload["logs"].append(line.format(n=len(payload["logs"])))
        size += len(payload["logs"][-1]) + 4
    return payload


def _wait(sandbox: RunningSandbox, execution: str, begun: float) -> str:
    """The state in which the execution ends or waits; the last one seen when the time is up."""
    state = "CREATED"
    kestra = sandbox.kestra()
    while time.monotonic() - begun < _MOST_SECONDS:
        try:
            found = kestra.get(f"/api/v1/main/executions/{execution}")
            state = found.json()["state"]["current"] if found.is_success else state
        except httpx.TimeoutException:
            state = f"{state}, engine too busy to answer"
        if state in {*_ENDED, "PAUSED"}:
            break
        time.sleep(0.5)
    return state


def _stored(sandbox: RunningSandbox, name: str) -> dict[str, Any] | None:
    found = (
        sandbox.client("admin")
        .table("incidents")
        .select("external_id,logs")
        .eq("external_id", name)
        .execute()
    )
    rows = cast(list[dict[str, Any]], found.data)
    return rows[0] if rows else None


def _say(kilobytes: int, words: str) -> None:
    sys.stdout.write(f"  {kilobytes:>5} KB  {words}\n")
    sys.stdout.flush()
