"""Rules of form of the flow file, each for a measured reason (kestra/README.md)."""

import re
from typing import Any

import pytest
import yaml

from tests.support.flow_file import FLOW_FILE, act_script, aggregate_script, flow, task, tasks

HTTP = "io.kestra.plugin.core.http.Request"
ALL = [pytest.param(task, siblings, id=task["id"]) for task, siblings in tasks()]
HTTP_TASKS = [pytest.param(one, siblings, id=one["id"]) for one, siblings in tasks() if one["type"] == HTTP]
# What only one of the two lines knows, so that one file saves on both.
ONE_LINE_ONLY = {
    "when",
    "runIf",
    "maxAttempt",
    "pluginDefaults",
    "conditions",
    "delay",
    "workerGroup",
    "fetchType",
}


def seconds(duration: str) -> float:
    found = re.fullmatch(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:([\d.]+)S)?)?", duration)
    assert found, duration
    days, hours, minutes, rest = (float(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + rest


def texts(node: Any) -> list[str]:
    if isinstance(node, dict):
        return [text for value in node.values() for text in texts(value)]
    if isinstance(node, list):
        return [text for value in node for text in texts(value)]
    return [node] if isinstance(node, str) else []


def test_the_guides_names_are_kept() -> None:
    read = flow()
    assert (read["namespace"], read["id"]) == ("incident.response", "incident-handler")
    assert FLOW_FILE.stem == read["id"]
    [given] = read["inputs"]
    assert (given["id"], given["type"], given["required"]) == ("incident_data", "JSON", True)
    [trigger] = read["triggers"]
    assert (trigger["id"], trigger["key"]) == ("webhook", "incident-webhook-key")
    assert trigger["inputs"] == {"incident_data": "{{ trigger.body }}"}
    names = {task["id"] for task, _ in tasks()}
    assert names >= {
        "aggregate_data_sources",
        "ai_agent_analyze",
        "ai_agent_decision_branch",
        "auto_remediate_low",
        "require_approval_medium",
        "escalate_high",
        "escalate_critical",
        "ai_agent_remediation",
        "ai_agent_documentation",
        "save_to_supabase",
    }
    assert set(task("ai_agent_decision_branch")["cases"]) == {"LOW", "MEDIUM", "HIGH", "CRITICAL"}


def test_task_ids_are_unique() -> None:
    names = [task["id"] for task, _ in tasks()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(("task", "siblings"), ALL)
def test_every_task_says_what_it_is_for(task: dict[str, Any], siblings: list[Any]) -> None:
    assert task["description"].strip()


def test_flow_inputs_and_triggers_say_what_they_are_for() -> None:
    read = flow()
    asked = task("require_approval_medium")["onResume"]
    assert all(part["description"].strip() for part in (read, *read["inputs"], *read["triggers"], *asked))


@pytest.mark.parametrize(("task", "siblings"), ALL)
def test_a_retried_task_is_the_first_child_of_a_flowable_task(
    task: dict[str, Any], siblings: list[Any]
) -> None:
    if "retry" not in task:
        return
    assert siblings[0] is task
    assert all(siblings is not flow()[name] for name in ("tasks", "afterExecution"))


@pytest.mark.parametrize(("task", "siblings"), HTTP_TASKS)
def test_every_request_gives_up_reading_before_its_timeout(task: dict[str, Any], siblings: list[Any]) -> None:
    limits = task["options"]["timeout"]
    assert seconds(limits["readIdleTimeout"]) + seconds(limits["connectTimeout"]) <= seconds(task["timeout"])


@pytest.mark.parametrize(("task", "siblings"), HTTP_TASKS)
def test_every_body_is_one_map_through_tojson(task: dict[str, Any], siblings: list[Any]) -> None:
    body = task["body"].strip()
    assert body.startswith("{{ {")
    assert body.endswith("} | toJson }}")
    assert body.count("{{ ") == body.count(" }}") == 1


@pytest.mark.parametrize(("task", "siblings"), HTTP_TASKS)
def test_keys_travel_in_headers_only(task: dict[str, Any], siblings: list[Any]) -> None:
    assert "KEY" not in task["uri"]
    assert "kv(" not in task["body"]


@pytest.mark.parametrize(("task", "siblings"), ALL)
def test_nothing_but_open_run_reads_the_input(task: dict[str, Any], siblings: list[Any]) -> None:
    nested = ("description", "tasks", "then", "else", "cases", "defaults")
    own = texts({name: value for name, value in task.items() if name not in nested})
    reads = any(re.search(r"\binputs\b|\btrigger\.", text) for text in own)
    assert reads == (task["id"] == "open_run")


@pytest.mark.parametrize(("task", "siblings"), ALL)
def test_only_spellings_of_both_lines_are_used(task: dict[str, Any], siblings: list[Any]) -> None:
    assert not ONE_LINE_ONLY & set(task)
    assert not ONE_LINE_ONLY & set(task.get("retry", {}))
    assert "allowFailed" not in task


@pytest.mark.parametrize("agent", ["analyze", "remediation", "documentation"])
def test_a_model_that_fails_stops_nothing(agent: str) -> None:
    asked = task(f"ai_agent_{agent}")
    assert asked["allowFailure"] is True
    assert asked["retry"]["maxAttempts"] == 3
    assert asked["headers"] == {"x-goog-api-key": "{{ kv('GEMINI_API_KEY') }}"}


def test_the_branch_follows_the_stored_severity() -> None:
    assert task("ai_agent_decision_branch")["value"] == (
        "{{ fromJson(outputs.open_run.body).incident.severity ?? 'UNKNOWN' }}"
    )


def test_the_pause_expires_as_a_failure() -> None:
    pause = task("require_approval_medium")
    assert (pause["pauseDuration"], pause["behavior"]) == ("P7D", "FAIL")
    [decision] = pause["onResume"]
    assert (decision["id"], decision["type"], decision["required"]) == ("decision_id", "STRING", False)


def test_both_acts_are_one_script_that_differs_in_nothing_but_the_names_of_its_secrets() -> None:
    low, approved = task("auto_remediate_low"), task("carry_out_approved")
    assert low["script"] == approved["script"] == "{{ vars.act }}"
    assert {**low, **dict.fromkeys(("id", "description", "env"), "")} == {
        **approved,
        **dict.fromkeys(("id", "description", "env"), ""),
    }
    assert (
        low["env"]["ACTION_SECRETS"].replace("record_analysis", "request_approval")
        == approved["env"]["ACTION_SECRETS"]
    )


def test_only_kv_values_whose_names_begin_with_action_reach_the_act() -> None:
    secrets = task("carry_out_approved")["env"]["ACTION_SECRETS"]
    assert "{% if (name | startsWith('ACTION_')) and " in secrets
    assert "ACTION_SECRETS" not in task("aggregate_data_sources")["env"]


def test_scripts_hold_no_template_signs_and_only_the_standard_library() -> None:
    assert not re.search(r"\{\{|\{%|\{#", aggregate_script())
    for script in (aggregate_script(), act_script()):
        imported = re.findall(r"^(?:import|from) ([a-z]+)", script, re.MULTILINE)
        assert imported
        assert not {"requests", "httpx", "kestra", "yaml"} & set(imported)
        assert "environ)" not in script


def test_yaml_one_point_one_reads_no_id_as_a_boolean() -> None:
    assert all(isinstance(task["id"], str) for task, _ in tasks())
    assert yaml.safe_load(FLOW_FILE.read_text())["id"] == "incident-handler"
