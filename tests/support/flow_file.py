"""The flow as it is deployed, read for tests: its tasks, variables and scripts."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

FLOW_FILE = Path(__file__).parents[2] / "kestra" / "flows" / "incident-handler.yml"
Json = dict[str, Any]

_CHILDREN = ("tasks", "then", "else", "defaults", "errors", "finally")


@cache
def flow() -> Json:
    loaded = yaml.safe_load(FLOW_FILE.read_text())
    assert isinstance(loaded, dict)
    return loaded


def tasks(node: Json | None = None) -> Iterator[tuple[Json, list[Json]]]:
    """Every task with the list it stands in, in the order of the file."""
    node = flow() if node is None else node
    lists = [node[name] for name in (*_CHILDREN, "afterExecution") if name in node]
    lists += list(node.get("cases", {}).values())
    for siblings in lists:
        for task in siblings:
            yield task, siblings
            yield from tasks(task)


def task(task_id: str) -> Json:
    return next(task for task, _ in tasks() if task["id"] == task_id)


def aggregate_script() -> str:
    return str(task("aggregate_data_sources")["script"])


def act_script() -> str:
    return str(flow()["variables"]["act"])


def namespace(script: str) -> Json:
    """The functions of a script, without running it."""
    found: Json = {"__name__": "script_of_the_flow"}
    exec(compile(script, "<script of the flow>", "exec"), found)
    return found
