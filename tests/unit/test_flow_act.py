"""The act: it carries out what begin_action allows, once, and reports each outcome truthfully."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.answering import Answering, Asked, Reply, answering
from tests.support.flow_file import act_script, namespace

Json = dict[str, Any]
BODY = '{"instances":  2, "why": "é \\u0041"}'
TOKEN = "token-abc-123"


class Database:
    """begin_action and finish_action over a list of proposed actions; `target` answers for the service."""

    def __init__(self, actions: list[Json], target: Callable[[Asked], Reply]) -> None:
        self.actions = actions
        self.target = target
        self.begun: dict[str, Json] = {}
        self.finished: list[Json] = []
        self.lost_answers: list[Reply] = []

    def reply(self, asked: Asked) -> Reply:
        if not asked.path.startswith("/rest/"):
            return self.target(asked)
        if self.lost_answers:
            if asked.path.endswith("begin_action"):
                self.begin(asked.json)
            return self.lost_answers.pop(0)
        return Reply(
            200, self.begin(asked.json) if asked.path.endswith("begin_action") else self.finish(asked.json)
        )

    def begin(self, call: Json) -> Json:
        if call["nonce"] not in self.begun:
            if len(self.begun) == len(self.actions):
                return {"allowed": False, "reason": "Everything was carried out.", "nothing_left": True}
            self.begun[call["nonce"]] = self.actions[len(self.begun)]
        return {"allowed": True, **self.begun[call["nonce"]]}

    def finish(self, call: Json) -> Json:
        self.finished.append(call)
        return {"recorded": True}


def action(url: str, key: str = "restart_service", **more: Any) -> Json:
    return {
        "action_key": key,
        "idempotency_key": f"idem-{key}",
        "secrets": ["ACTION_TOKEN"],
        "request": {
            "method": "POST",
            "url": f"{url}/restart?x=%2F",
            "headers": {
                "Authorization": "Bearer ${ACTION_TOKEN}",
                "Idempotency-Key": "${idempotency_key}",
                "Content-Type": "application/json",
            },
            "body": BODY,
        },
        "verify": {
            "method": "GET",
            "url": f"{url}/state",
            "headers": {"X-Token": "${ACTION_TOKEN}"},
            "expect": {"status": 200, "json": {"healthy": True}},
            "within_seconds": 1,
        },
        **more,
    }


def healthy(asked: Asked) -> Reply:
    return Reply(200, {"healthy": True, "n": 1})


def act(server: Answering, folder: Path, secrets: Json | None = None) -> Json:
    source = folder / "act.py"
    source.write_text(act_script())
    env = {
        "PATH": os.environ["PATH"],
        "SUPABASE_URL": server.url,
        "SUPABASE_SERVICE_ROLE_KEY": "service-key-1",
        "EXECUTION_ID": "exec-1",
        "ACTION_SECRETS": json.dumps({"": "", **({"ACTION_TOKEN": TOKEN} if secrets is None else secrets)}),
    }
    done = subprocess.run([sys.executable, str(source)], env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert TOKEN not in done.stdout + done.stderr
    [line] = done.stdout.splitlines()
    read: Json = json.loads(line.removeprefix("::").removesuffix("::"))["outputs"]
    return read


def run(
    folder: Path, actions: int, target: Callable[[Asked], Reply], **more: Any
) -> tuple[Json, Database, Answering]:
    """One act over `actions` proposed actions whose address is the server itself."""
    database = Database([], target)
    with answering(database.reply) as server:
        database.actions = [action(server.url, f"a{n}", **more) for n in range(actions)]
        return act(server, folder), database, server


def test_an_allowed_action_is_sent_once_as_it_stands_verified_and_reported(tmp_path: Path) -> None:
    found, database, server = run(tmp_path, 1, healthy)
    [sent] = server.calls("/restart")
    assert (sent.method, sent.path, sent.body) == ("POST", "/restart?x=%2F", BODY.encode())
    assert sent.headers["authorization"] == f"Bearer {TOKEN}"
    assert sent.headers["idempotency-key"] == "idem-a0"
    assert [asked.headers["x-token"] for asked in server.calls("/state")] == [TOKEN]
    [done] = database.finished
    assert (done["action_key"], done["outcome"], done["kestra_execution_id"]) == ("a0", "acted", "exec-1")
    assert (done["detail"]["code"], done["detail"]["verified"]) == (200, True)
    assert list(database.begun) == [done["nonce"]]
    one = {"action_key": "a0", "outcome": "acted", "verified": True, "code": 200}
    assert found == {"acted": 1, "outcomes": [one], "reason": None}


def test_actions_run_in_order_until_nothing_is_left(tmp_path: Path) -> None:
    found, database, server = run(tmp_path, 3, healthy)
    assert [asked.headers["idempotency-key"] for asked in server.calls("/restart")] == [
        "idem-a0",
        "idem-a1",
        "idem-a2",
    ]
    assert len(set(database.begun)) == 3
    assert (found["acted"], found["reason"]) == (3, None)


def test_nothing_is_sent_without_leave(tmp_path: Path) -> None:
    refusal = {"allowed": False, "reason": "The proposal is rejected: no", "nothing_left": False}
    with answering(lambda asked: Reply(200, refusal)) as server:
        assert act(server, tmp_path) == {"acted": 0, "outcomes": [], "reason": "The proposal is rejected: no"}
        assert len(server.asked) == 1


def test_the_reason_is_told_when_there_was_nothing_to_do(tmp_path: Path) -> None:
    found, _, _ = run(tmp_path, 0, healthy)
    assert found == {"acted": 0, "outcomes": [], "reason": "Everything was carried out."}


ANSWERS = [
    pytest.param(Reply(500, {"error": "no"}), "failed", 500, id="500"),
    pytest.param(Reply(409, {}), "failed", 409, id="409"),
    pytest.param(Reply(302, {}, {"Location": "/elsewhere"}), "failed", 302, id="a redirect"),
    pytest.param(Reply(502, {}), "unknown", 502, id="a gateway's 502"),
    pytest.param(Reply(504, {}), "unknown", 504, id="a gateway's 504"),
    pytest.param(Reply(drop=True), "unknown", None, id="no answer"),
]


@pytest.mark.parametrize(("answer", "outcome", "code"), ANSWERS)
def test_an_action_that_does_not_succeed_is_the_last_one(
    tmp_path: Path, answer: Reply, outcome: str, code: int | None
) -> None:
    found, database, server = run(tmp_path, 2, lambda asked: answer)
    assert len(server.calls("/restart")) == 1
    assert not server.calls("/elsewhere")
    assert not server.calls("/state")
    [done] = database.finished
    assert (done["outcome"], done["detail"].get("code")) == (outcome, code)
    assert found["acted"] == 0
    assert ("may or may not have happened" in found["reason"]) == (outcome == "unknown")


def test_an_action_that_cannot_be_seen_to_have_worked_is_the_last_one(tmp_path: Path) -> None:
    found, database, server = run(tmp_path, 2, lambda asked: Reply(200, {"healthy": asked.method == "POST"}))
    assert len(server.calls("/restart")) == 1
    assert len(server.calls("/state")) >= 2
    [done] = database.finished
    assert (done["outcome"], done["detail"]["verified"]) == ("acted", False)
    assert "did not succeed within 1 seconds: it answered 200" in done["detail"]["verify_detail"]
    assert (found["acted"], found["outcomes"][0]["verified"]) == (1, False)
    assert "not verified" in found["reason"]


def test_the_check_is_asked_again_until_it_holds(tmp_path: Path) -> None:
    looks = iter([Reply(503, {}), Reply(200, {"healthy": True})])
    found, _, server = run(
        tmp_path, 1, lambda asked: next(looks) if asked.path == "/state" else Reply(200, {})
    )
    assert len(server.calls("/state")) == 2
    assert found["outcomes"][0]["verified"] is True


def test_an_action_without_a_check_is_not_verified(tmp_path: Path) -> None:
    found, database, _ = run(tmp_path, 1, healthy, verify=None)
    assert database.finished[0]["detail"]["verify_detail"] == "The action has no check."
    assert found["reason"] is not None


@pytest.mark.parametrize(
    "lost", [Reply(drop=True), Reply(503, {}), Reply(500, {})], ids=["dropped", "503", "500"]
)
def test_a_lost_leave_is_asked_for_again_with_the_same_nonce(tmp_path: Path, lost: Reply) -> None:
    database = Database([], healthy)
    database.lost_answers = [lost]
    with answering(database.reply) as server:
        database.actions = [action(server.url)]
        act(server, tmp_path)
        first, again, last = (asked.json["nonce"] for asked in server.calls("begin_action"))
        assert first == again != last
        assert len(server.calls("/restart")) == 1


def test_every_process_makes_nonces_of_its_own(tmp_path: Path) -> None:
    nonces = {nonce for _ in range(2) for nonce in run(tmp_path, 1, healthy)[1].begun}
    assert len(nonces) == 2


def test_a_missing_secret_is_named_and_nothing_is_sent(tmp_path: Path) -> None:
    database = Database([], healthy)
    with answering(database.reply) as server:
        database.actions = [action(server.url)]
        found = act(server, tmp_path, secrets={})
        assert not server.calls("/restart")
    [done] = database.finished
    assert done["outcome"] == "failed"
    assert "ACTION_TOKEN is not in the KV store" in done["detail"]["body"]
    assert "ACTION_TOKEN" in found["reason"]


def test_only_secrets_the_action_names_are_known_to_it(tmp_path: Path) -> None:
    found, database, server = run(tmp_path, 1, healthy, secrets=[])
    assert not server.calls("/restart")
    assert database.finished[0]["outcome"] == "failed"
    assert found["acted"] == 0


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "http://127.0.0.1:1/x", "http://a b/"]
)
def test_what_cannot_have_been_sent_has_surely_not_happened(tmp_path: Path, url: str) -> None:
    request = {**action("http://x")["request"], "url": url}
    _, database, _ = run(tmp_path, 1, healthy, request=request)
    assert database.finished[0]["outcome"] == "failed"
    assert database.finished[0]["detail"]["body"].startswith("Not sent:")


def test_a_secret_that_is_no_header_value_is_not_repeated(tmp_path: Path) -> None:
    database = Database([], healthy)
    with answering(database.reply) as server:
        database.actions = [action(server.url)]
        act(server, tmp_path, secrets={"ACTION_TOKEN": f"{TOKEN}\r\nX-Other: 1"})
    assert TOKEN not in json.dumps(database.finished)
    assert database.finished[0]["outcome"] == "failed"


def test_secrets_that_a_service_repeats_are_not_stored(tmp_path: Path) -> None:
    _, database, _ = run(
        tmp_path, 1, lambda asked: Reply(401, {"said": asked.headers["authorization"], "x": "y" * 5000})
    )
    stored = database.finished[0]["detail"]["body"]
    assert stored.startswith('{"said": "Bearer ${ACTION_TOKEN}"')
    assert len(stored) == 2000


def test_supabase_refusing_ends_the_task_in_one_line(tmp_path: Path) -> None:
    with (
        answering(lambda asked: Reply(409, {"message": "not the owner"})) as server,
        pytest.raises(AssertionError) as failed,
    ):
        act(server, tmp_path)
    assert "Supabase answered 409 to begin_action" in str(failed.value)
    assert len(server.asked) == 1


EXPECTED = [
    ({"a": 1}, {"a": 1, "b": 2}, True),
    ({"a": {"b": [1, {"c": None}]}}, {"a": {"b": [1, {"c": None, "d": 0}]}}, True),
    ({"a": 1.0}, {"a": 1}, True),
    ({"a": 1}, {"a": True}, False),
    ({"a": [1]}, {"a": [1, 2]}, False),
    ({"a": None}, {}, False),
    ({"a": 1}, None, False),
    ("x", "x", True),
]


@pytest.mark.parametrize(("expected", "found", "holds"), EXPECTED)
def test_a_check_expects_at_least_the_given_json(expected: Any, found: Any, holds: bool) -> None:
    assert namespace(act_script())["holds"](expected, found) is holds
