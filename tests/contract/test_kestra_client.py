"""Our Kestra client against what real Kestras of both lines were asked and answered."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from dashboard import errors
from dashboard.domain.execution import is_older
from dashboard.kestra_api import paths
from dashboard.kestra_api.client import KestraApi
from dashboard.settings import KestraSettings
from tests.support.kestra_recordings import LINES, PASSWORD, USERNAME, Replay, executions_in, recording

NAMESPACE, FLOW = "incident.response", "recording"
Call = Callable[[KestraApi], Any]


def settings() -> KestraSettings:
    return KestraSettings(
        kestra_url="http://kestra.test", kestra_username=USERNAME, kestra_password=SecretStr(PASSWORD)
    )


def replayed(line: str, call: Call, *names: str) -> Any:
    """Make a call against these recordings, and see that all of them were used."""
    replay = Replay(line, names)
    with KestraApi(settings(), httpx.MockTransport(replay)) as api:
        answer = call(api)
    assert replay.expected == []
    return answer


def body(line: str, name: str) -> Any:
    return recording(line, name)["response"]["body"]


def asked(line: str, name: str) -> Any:
    return recording(line, name)["request"]


def execution_id(line: str, name: str) -> str:
    return str(asked(line, name)["path"].split("/executions/")[1].split("/")[0])


@pytest.fixture(params=LINES)
def line(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_the_instance_tells_its_version_and_uuid(line: str) -> None:
    instance = replayed(line, KestraApi.get_instance)
    assert instance.uuid == body(line, "configs")["uuid"]
    assert paths.line_of(instance.version).name == line[:3]


def test_a_webhook_starts_an_execution_without_a_password(line: str) -> None:
    payload = asked(line, "webhook-medium")["json"]
    started = replayed(
        line,
        lambda api: api.start_by_webhook(NAMESPACE, FLOW, "recording-key", payload),
        "webhook-medium",
    )
    assert started == body(line, "webhook-medium")["id"]


@pytest.mark.parametrize(
    ("flow", "key", "name"),
    [("absent", "recording-key", "webhook-unknown-flow"), (FLOW, "wrong", "webhook-wrong-key")],
)
def test_a_webhook_that_does_not_exist_is_not_found(line: str, flow: str, key: str, name: str) -> None:
    payload = asked(line, name)["json"]
    with pytest.raises(errors.NotFound, match="the webhook"):
        replayed(line, lambda api: api.start_by_webhook(NAMESPACE, flow, key, payload), name)


@pytest.mark.parametrize(
    ("name", "state"),
    [("execution-paused", "PAUSED"), ("execution-success", "SUCCESS"), ("execution-failed", "FAILED")],
)
def test_an_execution_is_read_with_its_tasks(line: str, name: str, state: str) -> None:
    execution = replayed(line, lambda api: api.get_execution(execution_id(line, name)), name)
    recorded = body(line, name)
    assert execution.state == state
    assert [run.task_id for run in execution.task_runs] == [run["taskId"] for run in recorded["taskRunList"]]
    assert [change.state for change in execution.history] == [
        change["state"] for change in recorded["state"]["histories"]
    ]
    assert execution.inputs == recorded["inputs"]


def test_a_pause_is_seen_to_wait_and_then_to_have_ended(line: str) -> None:
    paused = replayed(
        line, lambda api: api.get_execution(execution_id(line, "execution-paused")), "execution-paused"
    )
    after = replayed(
        line, lambda api: api.get_execution(execution_id(line, "execution-success")), "execution-success"
    )
    assert paused.is_paused
    assert not paused.pause_ended("require_approval_medium")
    assert after.pause_ended("require_approval_medium")
    assert is_older(paused, after)
    assert not is_older(after, paused)


def test_an_unknown_execution_is_not_found(line: str) -> None:
    with pytest.raises(errors.NotFound):
        replayed(line, lambda api: api.get_execution("absent"), "execution-unknown")


def test_resume_sends_its_inputs_as_form_fields(line: str) -> None:
    inputs = asked(line, "resume")["multipart"]
    replayed(line, lambda api: api.resume(execution_id(line, "resume"), inputs), "resume")


@pytest.mark.parametrize("name", ["resume-again", "resume-finished", "resume-killed"])
def test_resuming_what_does_not_wait_says_so(line: str, name: str) -> None:
    inputs = asked(line, name)["multipart"]
    with pytest.raises(errors.NotPaused, match="not paused"):
        replayed(line, lambda api: api.resume(execution_id(line, name), inputs), name)


def test_resuming_without_a_required_input_is_an_invalid_input(line: str) -> None:
    inputs = asked(line, "resume-missing-input")["multipart"]
    with pytest.raises(errors.InvalidInput, match="Missing required input"):
        replayed(
            line,
            lambda api: api.resume(execution_id(line, "resume-missing-input"), inputs),
            "resume-missing-input",
        )


def test_resuming_an_unknown_execution_is_not_found_after_asking_for_the_line_again(line: str) -> None:
    inputs = asked(line, "resume-unknown")["multipart"]
    replay = Replay(line, ["resume-unknown"])
    with (
        KestraApi(settings(), httpx.MockTransport(replay)) as api,
        pytest.raises(errors.NotFound),
    ):
        api.resume("absent", inputs)
    assert replay.asked_configs == 2


@pytest.mark.parametrize("name", ["kill", "kill-finished"])
def test_kill_works_also_when_it_has_ended(line: str, name: str) -> None:
    replayed(line, lambda api: api.kill(execution_id(line, name)), name)


def test_restart_keeps_the_id(line: str) -> None:
    replayed(line, lambda api: api.restart(execution_id(line, "restart-failed")), "restart-failed")


def test_a_restarted_execution_is_newer_than_the_failed_one(line: str) -> None:
    api_answers = [body(line, "execution-failed"), body(line, "restart-failed")]
    with KestraApi(
        settings(), httpx.MockTransport(lambda _: httpx.Response(200, json=api_answers.pop(0)))
    ) as api:
        failed, restarted = api.get_execution("x"), api.get_execution("x")
    assert is_older(failed, restarted)
    assert not is_older(restarted, failed)


def test_search_uses_filters_only(line: str) -> None:
    page = replayed(
        line,
        lambda api: api.search_executions(
            namespace=NAMESPACE, flow_id=FLOW, states=["SUCCESS", "FAILED"], page=1, size=2
        ),
        "search-filters",
    )
    assert page.total == body(line, "search-filters")["total"]
    assert [e.id for e in page.executions] == [r["id"] for r in body(line, "search-filters")["results"]]


def test_logs_are_read_from_a_level_up(line: str) -> None:
    recorded = asked(line, "logs-min-level")
    lines = replayed(
        line,
        lambda api: api.list_logs(recorded["path"].rsplit("/", 1)[1], min_level="INFO"),
        "logs-min-level",
    )
    assert [entry.message for entry in lines] == [e["message"] for e in body(line, "logs-min-level")]


@pytest.mark.parametrize("name", ["follow-medium-approved", "follow-failed", "follow-killed"])
def test_a_stream_gives_every_execution_and_its_end(line: str, name: str) -> None:
    frames = replayed(line, lambda api: list(api.follow(execution_id(line, name))), name)
    assert frames[0].kind == "start"
    assert frames[0].execution is None
    assert frames[-1].kind == "end"
    assert frames[-1].execution.is_terminal
    states = [frame.execution.state for frame in frames if frame.execution is not None]
    assert states == [e["state"]["current"] for e in executions_in(recording(line, name))]


@pytest.mark.parametrize("name", ["follow-medium-approved", "follow-failed", "follow-killed"])
def test_no_frame_of_a_stream_is_older_than_the_one_before(line: str, name: str) -> None:
    frames = replayed(line, lambda api: list(api.follow(execution_id(line, name))), name)
    seen = [frame.execution for frame in frames if frame.execution is not None]
    assert not any(is_older(after, before) for before, after in itertools.pairwise(seen))


def test_log_lines_are_streamed(line: str) -> None:
    recorded = recording(line, "logs-follow-medium")
    replay = Replay(line, [])

    def serve(request: httpx.Request) -> httpx.Response:
        if request.url.path == recorded["request"]["path"]:
            text = "\n".join(each for _, each in recorded["response"]["lines"]) + "\n"
            return httpx.Response(200, headers={"content-type": "text/event-stream"}, text=text)
        return replay(request)

    with KestraApi(settings(), httpx.MockTransport(serve)) as api:
        opened, *lines = api.follow_logs(recorded["request"]["path"].split("/")[-2], min_level="DEBUG")
    assert opened is None
    assert [entry.task_id for entry in lines][:1] == ["aggregate_data_sources"]
    assert all(entry.message for entry in lines)


def test_a_valid_flow_has_no_problems(line: str) -> None:
    source = asked(line, "flow-validate-ok")["content"]
    assert replayed(line, lambda api: api.validate_flow(source), "flow-validate-ok") == []


def test_an_invalid_flow_comes_back_with_kestras_words(line: str) -> None:
    source = asked(line, "flow-validate-bad")["content"]
    problems = replayed(line, lambda api: api.validate_flow(source), "flow-validate-bad")
    assert problems == [body(line, "flow-validate-bad")[0]["constraints"]]


def test_a_flow_is_created_updated_and_read(line: str) -> None:
    source = asked(line, "flow-create")["content"]
    assert replayed(line, lambda api: api.create_flow(source), "flow-create").revision >= 1
    changed = asked(line, "flow-update")["content"]
    updated = replayed(line, lambda api: api.update_flow(NAMESPACE, FLOW, changed), "flow-update")
    found = replayed(line, lambda api: api.find_flow(NAMESPACE, FLOW), "flow-get")
    assert found.revision == updated.revision == 2
    assert found.source == changed


def test_creating_a_flow_again_is_an_invalid_input(line: str) -> None:
    source = asked(line, "flow-create-again")["content"]
    with pytest.raises(errors.InvalidInput, match="already exists"):
        replayed(line, lambda api: api.create_flow(source), "flow-create-again")


def test_an_unknown_flow_is_none(line: str) -> None:
    # The recorded request asks without the source, which changes nothing about a 404.
    replay = Replay(line, ["flow-unknown"])
    replay.expected[0]["request"]["params"] = {"source": "true"}
    with KestraApi(settings(), httpx.MockTransport(replay)) as api:
        assert api.find_flow(NAMESPACE, "absent") is None


def test_a_value_is_stored_as_json_text_and_read_back(line: str) -> None:
    replayed(line, lambda api: api.put_kv(NAMESPACE, "GEMINI_BASE_URL", "http://127.0.0.1:18999"), "kv-put")
    found = replayed(line, lambda api: api.find_kv(NAMESPACE, "GEMINI_BASE_URL"), "kv-get")
    assert (found.type, found.value) == ("STRING", "http://127.0.0.1:18999")


def test_an_unknown_value_is_none(line: str) -> None:
    assert replayed(line, lambda api: api.find_kv(NAMESPACE, "ABSENT"), "kv-unknown") is None


def test_wrong_credentials_name_the_settings(line: str) -> None:
    replay = Replay(line, ["wrong-password"])
    replay.expected[0]["request"]["params"] = {"page": "1", "size": "50", "sort": "state.startDate:desc"}
    with (
        KestraApi(settings(), httpx.MockTransport(replay)) as api,
        pytest.raises(errors.NotSignedIn, match="KESTRA_PASSWORD"),
    ):
        api.search_executions()


def test_another_tenant_and_a_token_go_with_every_request() -> None:
    """As Kestra's documentation has it; there was no such Kestra to record."""
    with_token = KestraSettings.load(
        kestra_url="http://kestra.test", kestra_tenant="acme", kestra_api_token=SecretStr("tok-1")
    )
    asked: list[httpx.Request] = []

    def serve(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        if request.url.path.endswith("/follow"):
            return httpx.Response(200, headers={"Content-Type": "text/event-stream"})
        answer = {"version": "2.0.0"} if request.url.path == paths.CONFIGS else {"id": "x"}
        return httpx.Response(200, json=answer)

    with KestraApi(with_token, httpx.MockTransport(serve)) as api:
        api.kill("{tenant}")
        list(api.follow("x"))
        api.move_to("https://elsewhere.test")
        api.put_kv(NAMESPACE, "A", "b")
        assert [request.url.raw_path.decode() for request in asked] == [
            "/api/v1/configs",
            "/api/v1/acme/executions/%7Btenant%7D/actions/kill",
            "/api/v1/acme/executions/x/follow",
            f"/api/v1/acme/namespaces/{NAMESPACE}/kv/A",
        ]
        assert {request.headers["authorization"] for request in asked} == {"Bearer tok-1"}
        api.start_by_webhook(NAMESPACE, FLOW, "key", {})
    assert asked[-1].url.path == f"/api/v1/acme/executions/webhook/{NAMESPACE}/{FLOW}/key"
    assert "authorization" not in asked[-1].headers


def test_task_outputs_come_from_the_execution_on_the_first_line() -> None:
    paused = body("1.3.25", "execution-success")

    def serve(request: httpx.Request) -> httpx.Response:
        is_configs = request.url.path == paths.CONFIGS
        return httpx.Response(200, json=body("1.3.25", "configs") if is_configs else paused)

    with KestraApi(settings(), httpx.MockTransport(serve)) as api:
        execution = api.get_execution(paused["id"])
        outputs = api.get_task_outputs(execution, "require_approval_medium")
    assert outputs["onResume"]["decision"] == "approve"


def test_task_outputs_are_asked_for_at_both_addresses_of_the_second_line() -> None:
    recorded = body("2.0-snapshot", "execution-success")
    seen: list[str] = []

    def serve(request: httpx.Request) -> httpx.Response:
        path = request.url.path
        seen.append(path)
        if path == paths.CONFIGS:
            return httpx.Response(200, json=body("2.0-snapshot", "configs"))
        if "/outputs/tasks/" in path:
            return httpx.Response(404, json={"message": "Not Found"})
        return httpx.Response(200, json={"value": "x"} if "/outputs/" in path else recorded)

    with KestraApi(settings(), httpx.MockTransport(serve)) as api:
        execution = api.get_execution(recorded["id"])
        assert api.get_task_outputs(execution, "ai_agent_analyze") == {"value": "x"}
    run_id = execution.task_run("ai_agent_analyze").id
    assert seen[-2:] == [
        f"/api/v1/main/outputs/tasks/{execution.id}/{run_id}",
        f"/api/v1/main/outputs/{execution.id}/{run_id}",
    ]


def test_a_kestra_that_was_upgraded_behind_its_address_is_noticed() -> None:
    """An old action path answers 404 or 405 on the 2.0 line; then the line is asked for again."""
    versions = ["1.3.25", "2.0.0"]
    acted: list[str] = []

    def serve(request: httpx.Request) -> httpx.Response:
        if request.url.path == paths.CONFIGS:
            return httpx.Response(200, json={"version": versions.pop(0)})
        acted.append(request.url.path)
        return httpx.Response(200 if "/actions/" in request.url.path else 405)

    with KestraApi(settings(), httpx.MockTransport(serve)) as api:
        api.kill("abc")
    assert acted == ["/api/v1/main/executions/abc/kill", "/api/v1/main/executions/abc/actions/kill"]
