"""The JSON body of a write or call: its shape is read here, its values are left to Postgres."""

import json
from dataclasses import dataclass
from typing import Any, NoReturn

from sandbox.supabase.gateway.errors import ApiError


@dataclass(frozen=True)
class Payload:
    """`text` is a JSON array of objects; `keys` the names to write, in the order of the first object."""

    text: str
    keys: tuple[str, ...]
    length: int


def read_rows(body: bytes, columns: tuple[str, ...] | None) -> Payload:
    """The rows of an insert or update; `columns` names what counts, whatever the objects hold.

    Raises PGRST102 if the body is no object and no array of objects, or if their keys differ.
    """
    text, value = _load(body)
    rows = value if isinstance(value, list) else [value]
    if not all(isinstance(row, dict) for row in rows):
        _refuse("Empty or invalid json")
    if columns is None and any(row.keys() != rows[0].keys() for row in rows):
        _refuse("All object keys must match")
    keys = columns if columns is not None else tuple(rows[0]) if rows else ()
    return Payload(text if isinstance(value, list) else f"[{text}]", keys, len(rows))


def read_arguments(body: bytes) -> tuple[str, dict[str, Any] | None]:
    """The body of a call as text, and its arguments by name; None if it is JSON but no object."""
    text, value = _load(body or b"{}")
    return text, value if isinstance(value, dict) else None


def _load(body: bytes) -> tuple[str, Any]:
    try:
        text = body.decode("utf-8")
        return text, json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        _refuse("Empty or invalid json")


def _refuse_constant(name: str) -> NoReturn:
    """Python reads NaN and Infinity, which are no JSON."""
    raise ValueError(name)


def _refuse(message: str) -> NoReturn:
    raise ApiError(400, "PGRST102", message)
