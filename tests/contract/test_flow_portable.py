"""One YAML for both lines: 2.0 saves it without a warning, 1.3 understands every task of it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.kestra.jars import JarError
from tests.support.kestra import RunningEngine
from tests.support.kestra_1_3 import core_jar
from tests.support.postgres import ROOT

pytestmark = pytest.mark.engine

FLOW = ROOT / "kestra" / "flows" / "incident-handler.yml"
PROBE = FLOW.with_name("incidentscribe-probe.yml")


@pytest.mark.parametrize("flow", [FLOW, PROBE], ids=lambda flow: flow.stem)
def test_2_0_has_nothing_to_say_about_it(kestra: RunningEngine, flow: Path) -> None:
    headers = {"Content-Type": "application/x-yaml"}
    answer = kestra.http.post(
        "/api/v1/main/flows/validate", content=flow.read_bytes(), headers=headers, timeout=120
    )
    (found,) = answer.json()
    complaints = {name: found.get(name) for name in ("constraints", "warnings", "infos", "deprecationPaths")}
    assert not any(complaints.values()), complaints
    assert found["outdated"] is False


def test_1_3_reads_every_task_and_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    try:
        core_jar()
    except JarError as error:
        pytest.skip(f"Kestra 1.3.25's core cannot be fetched: {error}")
    source = FLOW.read_text(encoding="utf-8")
    spoilt = {
        "type": source.replace("io.kestra.plugin.core.flow.Pause", "io.kestra.plugin.core.flow.Nope"),
        "property": source.replace("behavior: FAIL", "behaviour: FAIL"),
    }
    for name, text in spoilt.items():
        assert text != source
        (tmp_path / name).write_text(text, encoding="utf-8")
    read, probe, *refused = read_by_1_3(FLOW, PROBE, *(tmp_path / name for name in spoilt))
    assert set(read["tasks"].items()) == set(tasks_in(yaml.safe_load(source)))
    assert set(probe["tasks"].items()) == set(tasks_in(yaml.safe_load(PROBE.read_text(encoding="utf-8"))))
    assert "flow.Nope" in refused[0]["problem"]
    assert "behaviour" in refused[1]["problem"]


def read_by_1_3(*flows: Path) -> list[dict[str, Any]]:
    """In a process of its own: a JVM cannot change its jars."""
    command = [sys.executable, "-m", "tests.support.kestra_1_3", *map(str, flows)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answers: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return answers


def tasks_in(value: Any) -> list[tuple[str, str]]:
    """The id and type of everything in a flow that is a task, however deep."""
    if isinstance(value, list):
        return [found for each in value for found in tasks_in(each)]
    if not isinstance(value, dict):
        return []
    inner = [found for name, each in value.items() if name != "triggers" for found in tasks_in(each)]
    is_task = "." in str(value.get("type", "")) and "id" in value
    return [(value["id"], value["type"]), *inner] if is_task else inner
