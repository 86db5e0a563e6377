"""`python -m tests.support.kestra_1_3 FLOW...`: reads flows with the core of Kestra 1.3.25.

Of the 1.3 line only the core is in a public registry; what it needs besides are the jars of the sandbox's
engine, which are 2.0's. The Script task is ours on both lines: its plugin is in no registry.
The last line printed is a JSON list: `{"tasks": {id: type}}` or `{"problem": "..."}` for each flow.
"""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sandbox.kestra import bridge
from sandbox.kestra.archive import class_path
from sandbox.kestra.bridge import JavaFailure, failures, java
from sandbox.kestra.jars import cache_folder, fetch, read_lock

LOCK = Path(__file__).with_name("kestra_1_3.lock")
_SCRIPT = "io.kestra.plugin.scripts.python.Script"
_TASK = "io.kestra.core.models.tasks.Task"
_PLUGINS = "io.kestra.core.plugins"


def core_jar() -> Path:
    """The locked core of 1.3.25, fetched once into the cache. Raises JarError."""
    return fetch(read_lock(LOCK), cache_folder() / "jars")[0]


def main(flows: Sequence[Path]) -> list[dict[str, Any]]:
    """The tasks of each flow as 1.3 understands it, or its problem in Kestra's words."""
    others = [jar for jar in class_path() if not jar.name.startswith("core-2.")]
    bridge.start_jvm([core_jar(), *others], ["-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"])
    with failures():
        registry = java(f"{_PLUGINS}.DefaultPluginRegistry").getOrCreate()
        script, task = (java("java.lang.Class").forName(name) for name in (_SCRIPT, _TASK))
        registry.registerClassForIdentifier(
            java(f"{_PLUGINS}.DefaultPluginRegistry$ClassTypeIdentifier").create(_SCRIPT),
            java(f"{_PLUGINS}.PluginClassAndMetadata")(script, task, "", "", "", "", ""),
        )
    return [_read(flow) for flow in flows]


def _read(flow: Path) -> dict[str, Any]:
    try:
        with failures():
            parser = java("io.kestra.core.serializers.YamlParser")
            parsed = parser.parse(flow.read_text(), java("io.kestra.core.models.flows.Flow").class_)
            tasks = parsed.allTasksWithChilds()
            return {"tasks": {str(each.getId()): str(each.getType()) for each in tasks}}
    except JavaFailure as failure:
        return {"problem": failure.message}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main([Path(name) for name in sys.argv[1:]])) + "\n")
    sys.stdout.flush()
    os._exit(0)  # the JVM has nothing to end in order
