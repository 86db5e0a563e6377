"""JSON that people write by hand: read strictly, refused with the very place, laid out for reading."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from dashboard.errors import FieldProblem, InvalidInput, InvalidJson

_MOST_DIGITS = 400  # far beyond what a number in a report means, far below what Python refuses to convert
_WIDTH = 100
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


def read_text(data: bytes) -> str:
    """An uploaded file as text. Raises InvalidInput naming the byte that is not UTF-8."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"The file is not UTF-8: byte {error.start} cannot be read.", to_do="Save the file as UTF-8."
        ) from error


def parse_object(text: str) -> dict[str, Any]:
    """One JSON object. Raises InvalidJson with line, column and an excerpt, or InvalidInput.

    Also refused, because they would not arrive as they were written: a name that stands twice in one
    object, NaN and Infinity, and numbers beyond all measure.
    """
    if not text.strip():
        raise InvalidInput("There is no JSON yet.", to_do="Paste an incident, or choose a file.")
    try:
        value = json.loads(
            text,
            parse_constant=_refuse_constant,
            parse_float=_float,
            parse_int=_int,
            object_pairs_hook=_object,
        )
    except json.JSONDecodeError as error:
        raise InvalidJson(
            f"This is not JSON: {_in_words(error)} at line {error.lineno}, column {error.colno}.",
            line=error.lineno,
            column=error.colno,
            excerpt=excerpt(text, error.lineno, error.colno),
            to_do="Correct that place and submit again. Nothing was saved, and nothing typed is lost.",
        ) from error
    except RecursionError as error:
        raise InvalidInput("The JSON is nested too deeply.") from error
    if not isinstance(value, dict):
        raise InvalidInput("The JSON must be one object, as in the example.")
    return value


def laid_out(text: str) -> str:
    """The same JSON with one member a line. Raises as `parse_object` does."""
    return json.dumps(parse_object(text), indent=2, ensure_ascii=False)


def excerpt(text: str, line: int, column: int) -> str:
    """The line before, the line itself, and a caret under the column; long lines are cut around it."""
    # The reader of JSON counts `\n` only.
    lines = text.split("\n")
    start = max(0, column - 1 - _WIDTH // 2)
    shown = []
    for number in range(max(1, line - 1), line + 1):
        part = lines[number - 1][start : start + _WIDTH] if number <= len(lines) else ""
        shown.append(f"{number:>6} | {'…' if start else ''}{_UNSEEN.sub(' ', part)}")
    caret = " " * (column - 1 - start + (1 if start else 0)) + "^"
    return "\n".join([*shown, f"{'':>6} | {caret}"])


def path_of(field: str) -> str:
    """A field of a finding as a JSON path: `logs.3` is `$.logs[3]`."""
    parts = [part for part in field.split(".") if part]
    return "$" + "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in parts)


def _in_words(error: json.JSONDecodeError) -> str:
    message = error.msg[0].lower() + error.msg[1:]
    if message.startswith("expecting property name") and error.doc[: error.pos].rstrip().endswith(","):
        return "a comma with nothing after it, or a name without double quotes"
    return message


def _refuse_constant(name: str) -> None:
    raise InvalidInput(f"This is not JSON: {name} is no JSON number.")


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise InvalidInput(f"The number {text[:40]} is too large.")
    return value


def _int(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise InvalidInput(f"The number {text[:40]}… is too large.")
    return int(text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise InvalidInput(
                f"The name {name[:80]!r} stands twice in one object.",
                fields=[FieldProblem(name[:80], "stands twice; only one of the two could be kept")],
            )
        found[name] = value
    return found
