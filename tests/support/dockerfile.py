"""The Dockerfile as its parts."""

import io
from pathlib import Path
from typing import NamedTuple

from dockerfile_parse import DockerfileParser

ROOT = Path(__file__).parents[2]


class Instruction(NamedTuple):
    """One of them, continued lines joined: `RUN`, and what follows."""

    name: str
    value: str


def stages() -> list[list[Instruction]]:
    """The instructions of each stage, from its FROM on; what comes before the first is left out."""
    parser = DockerfileParser(fileobj=io.BytesIO((ROOT / "Dockerfile").read_bytes()))
    found: list[list[Instruction]] = []
    for entry in parser.structure:
        if entry["instruction"] == "FROM":
            found.append([])
        if found and entry["instruction"] != "COMMENT":
            found[-1].append(Instruction(entry["instruction"], entry["value"]))
    return found
