"""What the door of the sandbox's Kestra lets in, serves and refuses; the engine behind it is the real one."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.support import kestra_flows
from tests.support.kestra import RunningEngine
from tests.support.until import until

pytestmark = pytest.mark.engine

API = "/api/v1/main"
EXECUTIONS = f"{API}/executions"
WEBHOOK = f"{EXECUTIONS}/webhook/tests.kestra"
KV = f"{API}/namespaces/tests.kestra/kv"
YAML = {"Content-Type": "application/x-yaml"}
TEXT = {"Content-Type": "text/plain"}


@pytest.fixture(scope="module", autouse=True)
def _flows(kestra: RunningEngine) -> None:
    kestra.save_flow(kestra_flows.APPROVAL)
    kestra.save_flow(kestra_flows.plain("plain"))


def start(kestra: RunningEngine, flow: str = "approval", **body: Any) -> str:
    """The id of a new execution."""
    answer = kestra.anonymous.post(f"{WEBHOOK}/{flow}/the-key", json={"name": "Ada"} | body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def paused(kestra: RunningEngine) -> str:
    """The id of an execution that waits for its decision."""
    execution = start(kestra)
    kestra.wait_for(execution, "PAUSED")
    return execution


def resume(kestra: RunningEngine, execution: str, **fields: str) -> httpx.Response:
    parts = {name: (None, value) for name, value in fields.items()}
    return kestra.http.post(f"{EXECUTIONS}/{execution}/actions/resume", files=parts)


def messages(kestra: RunningEngine, execution: str) -> list[str]:
    """What the log of an execution says so far."""
    return [line["message"] for line in kestra.http.get(f"{API}/logs/{execution}").json()]


def put(kestra: RunningEngine, key: str, value: str) -> None:
    answer = kestra.http.put(f"{KV}/{key}", content=value, headers=TEXT)
    assert (answer.status_code, answer.content) == (200, b"")


class TestWhoMayEnter:
    @pytest.mark.parametrize("path", [f"{EXECUTIONS}/x", f"{API}/flows/a/b", f"{KV}/x", f"{API}/nothing"])
    def test_the_api_needs_the_password(self, kestra: RunningEngine, path: str) -> None:
        answer = kestra.anonymous.get(path)
        assert (answer.status_code, answer.content) == (401, b"")
        assert answer.headers["www-authenticate"] == "Basic"

    @pytest.mark.parametrize("given", ["Basic", "Basic ????", "Basic YTpi", "Bearer x", "Basic w6k6w6k="])
    def test_any_other_credential_is_refused(self, kestra: RunningEngine, given: str) -> None:
        answer = kestra.anonymous.get(f"{EXECUTIONS}/x", headers={"Authorization": given})
        assert answer.status_code == 401

    def test_the_password_of_another_user_does_not_help(self, kestra: RunningEngine) -> None:
        answer = kestra.anonymous.get(f"{EXECUTIONS}/x", auth=("root@kestra.io", kestra.password))
        assert answer.status_code == 401

    def test_what_is_open_on_a_real_kestra_is_open_here(self, kestra: RunningEngine) -> None:
        configs = kestra.anonymous.get("/api/v1/configs").json()
        assert (configs["version"], configs["edition"]) == ("2.0.0", "OSS")
        assert len(configs["uuid"]) > 15
        assert kestra.anonymous.get("/ping").status_code == 200

    @pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", ""])
    def test_another_host_name_is_refused(self, kestra: RunningEngine, host: str) -> None:
        answer = kestra.http.get("/api/v1/configs", headers={"Host": host})
        assert answer.status_code == 421

    @pytest.mark.parametrize("host", ["localhost", "127.0.0.1:1", "[::1]:8080"])
    def test_loopback_names_are_known(self, kestra: RunningEngine, host: str) -> None:
        assert kestra.http.get("/api/v1/configs", headers={"Host": host}).status_code == 200

    @pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost.evil.example"])
    def test_a_page_from_elsewhere_cannot_call_a_webhook(self, kestra: RunningEngine, origin: str) -> None:
        answer = kestra.anonymous.post(f"{WEBHOOK}/plain/the-key", headers={"Origin": origin})
        assert answer.status_code == 403

    def test_a_page_of_this_machine_may_call(self, kestra: RunningEngine) -> None:
        answer = kestra.http.get("/api/v1/configs", headers={"Origin": "http://127.0.0.1:8501"})
        assert answer.status_code == 200


class TestWhatIsServed:
    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", f"{API}/dashboards"),
            ("PATCH", f"{API}/flows/a/b"),
            ("DELETE", f"{EXECUTIONS}/x/kill"),
            ("GET", f"{API}/logs/search"),
            ("POST", f"{EXECUTIONS}/x/actions/force-run"),
            ("GET", "/"),
            ("GET", "/ui/main/executions"),
            ("HEAD", f"{WEBHOOK}/plain/the-key"),
        ],
    )
    def test_the_rest_is_answered_501_by_name(self, kestra: RunningEngine, method: str, path: str) -> None:
        answer = kestra.http.request(method, path)
        assert answer.status_code == 501
        if method != "HEAD":
            assert f"does not serve {method} {path}" in answer.json()["message"]

    def test_an_action_of_the_former_line_is_taken_for_a_flow_as_on_a_real_2_0(
        self, kestra: RunningEngine
    ) -> None:
        answer = kestra.http.post(f"{EXECUTIONS}/x/resume", files={"decision": (None, "approve")})
        assert answer.status_code == 404
        assert "Requested Flow is not found" in answer.json()["message"]

    @pytest.mark.parametrize("path", ["flows/a/b", "executions/x", "namespaces/a/kv/x"])
    def test_there_is_no_tenant_but_main(self, kestra: RunningEngine, path: str) -> None:
        answer = kestra.http.get(f"/api/v1/other/{path}")
        assert answer.status_code == 400
        assert answer.json()["message"] == "Bad Request: Tenant must be 'main' for OSS version"

    @pytest.mark.parametrize("prefix", ["/api/v1/main", "/api/v1"])
    def test_paths_work_with_and_without_the_tenant(self, kestra: RunningEngine, prefix: str) -> None:
        answer = kestra.anonymous.post(f"{prefix}/executions/webhook/tests.kestra/plain/the-key", json={})
        execution = kestra.wait_for(answer.json()["id"], "SUCCESS")
        assert kestra.http.get(f"{prefix}/executions/{execution['id']}").json() == execution
        assert kestra.http.get(f"{prefix}/flows/tests.kestra/plain").json()["id"] == "plain"


class TestWebhook:
    @pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
    def test_each_method_starts_an_execution_without_a_password(
        self, kestra: RunningEngine, method: str
    ) -> None:
        answer = kestra.anonymous.request(method, f"{WEBHOOK}/plain/the-key")
        assert answer.status_code == 200
        kestra.wait_for(answer.json()["id"], "SUCCESS")

    def test_the_flow_sees_body_parameters_and_headers(self, kestra: RunningEngine) -> None:
        body = {"name": 'quote " newline \n {{ 7*6 }} \U0001f600 \x01', "n": [1, 2.5, None]}
        url = f"{WEBHOOK}/plain/the-key?a=1&a=%5B2%5D&b=x%20y"
        answer = kestra.anonymous.post(url, json=body, headers={"X-Own": "yes"})
        variables = answer.json()["trigger"]["variables"]
        assert variables["body"] == body
        assert variables["parameters"] == {"a": ["1", "[2]"], "b": ["x y"]}
        assert variables["headers"]["X-Own"] == ["yes"]

    @pytest.mark.parametrize("body", ["not json", '"a scalar"', "7"])
    def test_what_is_no_object_and_no_list_stays_text(self, kestra: RunningEngine, body: str) -> None:
        answer = kestra.anonymous.post(f"{WEBHOOK}/plain/the-key", content=body)
        assert answer.json()["trigger"]["variables"]["body"] == body

    @pytest.mark.parametrize("key", ["wrong", "the-key2", "the-ke", "THE-KEY", "{{ 1 }}", "%20the-key"])
    def test_a_wrong_key_is_not_found(self, kestra: RunningEngine, key: str) -> None:
        answer = kestra.anonymous.post(f"{WEBHOOK}/plain/{key}", json={})
        assert answer.status_code == 404
        assert answer.json()["message"] == "Not Found: Webhook not found"

    def test_an_unknown_flow_is_not_found(self, kestra: RunningEngine) -> None:
        answer = kestra.anonymous.post(f"{WEBHOOK}/absent/the-key", json={})
        assert answer.status_code == 404
        assert answer.json()["message"] == "Not Found: Flow not found"

    def test_a_disabled_flow_says_so_only_to_who_knows_the_key(self, kestra: RunningEngine) -> None:
        kestra.save_flow(kestra_flows.plain("disabled", "disabled: true\n"))
        answer = kestra.anonymous.post(f"{WEBHOOK}/disabled/the-key", json={})
        assert answer.status_code == 409
        assert answer.json()["message"] == "Illegal state: Cannot execute a disabled flow"
        assert kestra.anonymous.post(f"{WEBHOOK}/disabled/wrong", json={}).status_code == 404

    def test_inputs_that_cannot_be_rendered_start_nothing(self, kestra: RunningEngine) -> None:
        answer = kestra.anonymous.post(f"{WEBHOOK}/approval/the-key", content="not json")
        assert (answer.status_code, answer.content) == (422, b"")

    def test_a_condition_that_is_not_met_starts_nothing(self, kestra: RunningEngine) -> None:
        kestra.save_flow(kestra_flows.plain("picky", "    when: \"{{ trigger.body.go == 'yes' }}\"\n"))
        assert kestra.anonymous.post(f"{WEBHOOK}/picky/the-key", json={"go": "yes"}).status_code == 200
        answer = kestra.anonymous.post(f"{WEBHOOK}/picky/the-key", json={"go": "no"})
        assert (answer.status_code, answer.content) == (204, b"")

    def test_a_key_can_be_a_kv_value(self, kestra: RunningEngine) -> None:
        source = kestra_flows.plain("hidden").replace("the-key", "\"{{ kv('HOOK') }}\"")
        kestra.save_flow(source)
        assert kestra.anonymous.post(f"{WEBHOOK}/hidden/s3cret", json={}).status_code == 404  # no value yet
        put(kestra, "HOOK", '"s3cret"')
        assert kestra.anonymous.post(f"{WEBHOOK}/hidden/s3cret", json={}).status_code == 200
        assert kestra.anonymous.post(f"{WEBHOOK}/hidden/the-key", json={}).status_code == 404

    def test_a_body_over_the_limit_is_refused(self, kestra: RunningEngine) -> None:
        answer = kestra.anonymous.post(f"{WEBHOOK}/plain/the-key", content=b"x" * (1024 * 1024 + 1))
        assert answer.status_code == 413

    def test_200_kilobytes_arrive_whole_and_go_all_the_way(self, kestra: RunningEngine) -> None:
        lines = [f"ERROR line {n} \U0001f600 {'x' * 180}" for n in range(1000)]
        execution = start(kestra, name="Ada", logs=lines)
        assert kestra.wait_for(execution, "PAUSED", seconds=60)["inputs"]["payload"]["logs"] == lines
        assert resume(kestra, execution, decision="approve").status_code == 200
        assert kestra.wait_for(execution, "SUCCESS", seconds=60)["outputs"] == {"said": "approve: no reason"}


class TestResume:
    def test_the_answers_reach_the_flow(self, kestra: RunningEngine) -> None:
        execution = paused(kestra)
        reason = 'said "A"\nand {{ 1 + 1 }} \u00e9'
        answer = resume(kestra, execution, decision="approve", reason=reason)
        assert answer.status_code == 200
        assert answer.json()["id"] == execution
        assert kestra.wait_for(execution, "SUCCESS")["outputs"] == {"said": f"approve: {reason}"}

    @pytest.mark.parametrize("fields", [{}, {"reason": "no decision"}, {"decision": "perhaps"}])
    def test_missing_or_wrong_answers_leave_it_paused(
        self, kestra: RunningEngine, fields: dict[str, str]
    ) -> None:
        execution = paused(kestra)
        answer = resume(kestra, execution, **fields)
        assert answer.status_code == 422
        assert answer.json()["message"].startswith("Invalid entity: ")
        assert kestra.execution(execution)["state"]["current"] == "PAUSED"

    def test_json_is_refused_by_its_type(self, kestra: RunningEngine) -> None:
        execution = paused(kestra)
        answer = kestra.http.post(f"{EXECUTIONS}/{execution}/actions/resume", json={"decision": "approve"})
        assert answer.status_code == 415
        assert kestra.execution(execution)["state"]["current"] == "PAUSED"

    def test_a_file_is_refused(self, kestra: RunningEngine) -> None:
        execution = paused(kestra)
        answer = kestra.http.post(
            f"{EXECUTIONS}/{execution}/actions/resume", files={"decision": ("name.txt", b"approve")}
        )
        assert answer.status_code == 400

    @pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary=x"])
    def test_a_form_that_is_none_is_refused(self, kestra: RunningEngine, kind: str) -> None:
        answer = kestra.http.post(
            f"{EXECUTIONS}/x/actions/resume", content=b"--x\r\nrubbish", headers={"Content-Type": kind}
        )
        assert answer.status_code in (400, 404)
        assert answer.json()["message"]

    def test_of_many_at_once_one_wins(self, kestra: RunningEngine) -> None:
        execution = paused(kestra)
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: resume(kestra, execution, decision="approve"), range(8)))
        assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7
        kestra.wait_for(execution, "SUCCESS")

    def test_a_finished_execution_cannot_be_resumed(self, kestra: RunningEngine) -> None:
        execution = start(kestra, "plain")
        kestra.wait_for(execution, "SUCCESS")
        answer = resume(kestra, execution, decision="approve")
        assert answer.status_code == 409
        assert answer.json()["message"] == (
            f"Illegal state: Execution '{execution}' is not paused, can't resume it"
        )

    def test_an_unknown_execution_is_not_found(self, kestra: RunningEngine) -> None:
        answer = resume(kestra, "absent", decision="approve")
        assert answer.status_code == 404
        assert answer.json()["message"] == "Not Found: Execution 'absent' not found."


class TestKillAndRestart:
    def test_a_paused_execution_is_killed_and_kept(self, kestra: RunningEngine) -> None:
        execution = paused(kestra)
        answer = kestra.http.delete(f"{EXECUTIONS}/{execution}/actions/kill")
        assert answer.status_code == 200
        kestra.wait_for(execution, "KILLED")
        again = kestra.http.delete(f"{EXECUTIONS}/{execution}/actions/kill")
        assert (again.status_code, again.json()["state"]["current"]) == (200, "KILLED")
        assert kestra.http.post(f"{EXECUTIONS}/{execution}/actions/restart").status_code == 409

    def test_a_running_script_is_ended(self, kestra: RunningEngine) -> None:
        kestra.save_flow(
            kestra_flows.script("endless", "import time\nprint('on', flush=True)\ntime.sleep(60)")
        )
        execution = start(kestra, "endless")
        # Kestra can lose a kill that comes while its worker takes the task; the reconciler sees to those.
        until(lambda: "on" in messages(kestra, execution), "the script runs")
        assert kestra.http.delete(f"{EXECUTIONS}/{execution}/actions/kill").status_code == 200
        kestra.wait_for(execution, "KILLED", seconds=10)

    def test_a_failed_execution_runs_again_under_its_id(self, kestra: RunningEngine) -> None:
        kestra.save_flow(kestra_flows.script("failing", "raise SystemExit(3)"))
        execution = start(kestra, "failing")
        kestra.wait_for(execution, "FAILED")
        kestra.save_flow(kestra_flows.script("failing", "print('better')"))
        answer = kestra.http.post(f"{EXECUTIONS}/{execution}/actions/restart")
        assert (answer.status_code, answer.json()["id"]) == (200, execution)

    @pytest.mark.parametrize(("method", "action"), [("DELETE", "kill"), ("POST", "restart")])
    def test_an_unknown_execution_is_not_found(self, kestra: RunningEngine, method: str, action: str) -> None:
        assert kestra.http.request(method, f"{EXECUTIONS}/absent/actions/{action}").status_code == 404


class TestKeyValues:
    @pytest.mark.parametrize(
        ("sent", "kind", "value"),
        [
            ('"a \\"b\\" \\n http://x"', "STRING", 'a "b" \n http://x'),
            ("42", "NUMBER", 42),
            ("true", "BOOLEAN", True),
            ('{"a": [1, null]}', "JSON", {"a": [1, None]}),
            ("hello world", "STRING", "hello"),  # as on every Kestra: text without quotes is cut
        ],
    )
    def test_values_are_read_as_ion(self, kestra: RunningEngine, sent: str, kind: str, value: Any) -> None:
        put(kestra, "VALUE", sent)
        found = kestra.http.get(f"{KV}/VALUE").json()
        assert (found["type"], found["value"]) == (kind, value)
        assert found["revision"] > 0

    def test_json_is_refused_by_its_type(self, kestra: RunningEngine) -> None:
        assert kestra.http.put(f"{KV}/VALUE", json="x").status_code == 415

    def test_what_is_not_ion_is_refused(self, kestra: RunningEngine) -> None:
        assert kestra.http.put(f"{KV}/VALUE", content='{"a": ', headers=TEXT).status_code == 422

    @pytest.mark.parametrize("key", ["..%2Fx", "a%20b", "-x"])
    def test_a_key_that_is_none_is_refused(self, kestra: RunningEngine, key: str) -> None:
        assert kestra.http.put(f"{KV}/{key}", content='"x"', headers=TEXT).status_code in (422, 501)

    def test_deleted_is_gone(self, kestra: RunningEngine) -> None:
        put(kestra, "GONE", '"x"')
        assert kestra.http.delete(f"{KV}/GONE").json() is True
        assert kestra.http.get(f"{KV}/GONE").status_code == 404
        assert kestra.http.delete(f"{KV}/GONE").json() is False


class TestFlows:
    def test_a_wrong_source_is_refused_with_the_reason(self, kestra: RunningEngine) -> None:
        source = kestra_flows.plain("wrong").replace("log.Log", "log.Nope")
        answer = kestra.http.post(f"{API}/flows", content=source, headers=YAML)
        assert answer.status_code == 422
        assert "Invalid type: io.kestra.plugin.core.log.Nope" in answer.json()["message"]
        assert kestra.http.get(f"{API}/flows/tests.kestra/wrong").status_code == 404

    @pytest.mark.parametrize("source", ["", "- a\n", "id: [", "id: x\n", "\x00"])
    def test_what_is_no_flow_is_refused(self, kestra: RunningEngine, source: str) -> None:
        answer = kestra.http.post(f"{API}/flows", content=source.encode(), headers=YAML)
        assert answer.status_code == 422
        (found,) = kestra.http.post(f"{API}/flows/validate", content=source.encode(), headers=YAML).json()
        assert found["constraints"]

    def test_an_unchanged_source_keeps_its_revision(self, kestra: RunningEngine) -> None:
        source = kestra_flows.plain("kept")
        kestra.save_flow(source)
        answer = kestra.http.put(f"{API}/flows/tests.kestra/kept", content=source, headers=YAML)
        assert answer.json()["revision"] == 1
        changed = source.replace("said", "told")
        answer = kestra.http.put(f"{API}/flows/tests.kestra/kept", content=changed, headers=YAML)
        assert (answer.json()["revision"], answer.json()["source"]) == (2, changed)

    def test_an_update_cannot_move_a_flow(self, kestra: RunningEngine) -> None:
        source = kestra_flows.plain("moved")
        answer = kestra.http.put(f"{API}/flows/tests.kestra/plain", content=source, headers=YAML)
        assert answer.status_code == 422

    def test_the_source_comes_only_when_asked_for(self, kestra: RunningEngine) -> None:
        path = f"{API}/flows/tests.kestra/plain"
        assert "source" not in kestra.http.get(path).json()
        assert kestra.http.get(path, params={"source": "true"}).json()["source"] == kestra_flows.plain(
            "plain"
        )

    def test_json_is_refused_by_its_type(self, kestra: RunningEngine) -> None:
        assert kestra.http.post(f"{API}/flows", json={}).status_code == 415


class TestOutputsAndLogs:
    def test_outputs_of_a_script_are_read_by_task_run(self, kestra: RunningEngine) -> None:
        kestra.save_flow(kestra_flows.script("speaks", 'print(\'::{"outputs": {"n": 7}}::\')'))
        execution = start(kestra, "speaks")
        kestra.wait_for(execution, "SUCCESS")
        (entry,) = kestra.http.get(f"{API}/outputs/{execution}").json()
        assert (entry["taskId"], entry["inline"]) == ("script", True)
        values = kestra.http.get(f"{API}/outputs/{execution}/{entry['taskRunId']}").json()
        assert (values["vars"], values["exitCode"]) == ({"n": 7}, 0)

    def test_logs_are_narrowed_by_level_and_task(self, kestra: RunningEngine) -> None:
        execution = paused(kestra)
        path, level = f"{API}/logs/{execution}", "filters[level][GREATER_THAN_OR_EQUAL_TO]"
        lines = kestra.http.get(path, params={level: "INFO"}).json()
        assert [(line["taskId"], line["message"]) for line in lines] == [("hello", "hello Ada")]
        assert kestra.http.get(path, params={level: "ERROR"}).json() == []
        assert kestra.http.get(path, params={"filters[taskId][EQUALS]": "other"}).json() == []
        assert kestra.http.get(path, params={"filters[q][EQUALS]": "x"}).status_code == 501

    def test_an_unknown_execution_has_no_logs(self, kestra: RunningEngine) -> None:
        assert kestra.http.get(f"{API}/logs/absent").json() == []

    def test_scripts_do_not_see_the_password(self, kestra: RunningEngine) -> None:
        kestra.save_flow(kestra_flows.script("nosy", "import os, json\nprint(json.dumps(dict(os.environ)))"))
        execution = start(kestra, "nosy")
        kestra.wait_for(execution, "SUCCESS")
        printed = json.dumps(kestra.http.get(f"{API}/logs/{execution}").json())
        assert "PATH" in printed
        assert kestra.password not in printed
