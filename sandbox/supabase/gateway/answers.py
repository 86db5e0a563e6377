"""What Postgres answered, as HTTP: statuses, Content-Range, and the headers a function may set."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.responses import Response

from sandbox.supabase.gateway.database import Answer
from sandbox.supabase.gateway.errors import ApiError, sound_header
from sandbox.supabase.gateway.prefer import Preferences
from sandbox.supabase.gateway.whole import Shape


@dataclass(frozen=True)
class Manner:
    """How a request wants to be answered."""

    prefer: Preferences
    shape: Shape
    content_type: str


def rows_response(answer: Answer, how: Manner, offset: int, *, no_content: bool = False) -> Response:
    """For reads and calls: 200, 206 for a part of a counted whole, 416 beyond it; 204 for void functions."""
    _check_single(answer, how.shape)
    status = 200
    if answer.total is not None:
        if offset > answer.total:
            raise ApiError(
                416,
                "PGRST103",
                "Requested range not satisfiable",
                f"An offset of {offset} was requested, but there are only {answer.total} rows.",
                headers={"Content-Range": f"*/{answer.total}"},
            )
        status = 206 if answer.rows < answer.total else 200
    headers = {
        "Content-Range": _content_range(answer.rows, answer.total, offset),
        **how.prefer.applied("count", "handling"),
    }
    if no_content:
        return _response(answer, 204, headers)
    return _response(answer, status, headers, how.content_type)


def insert_response(answer: Answer, how: Manner) -> Response:
    """201; 200 for a merge that added no row."""
    if how.prefer.representation:
        _check_single(answer, how.shape)
    merged = how.prefer.resolution == "merge-duplicates" and not answer.inserted
    headers = {
        "Content-Range": f"*/{answer.rows if how.prefer.counted else '*'}",
        **how.prefer.applied("resolution", "missing", "return", "count", "handling"),
    }
    return _response(
        answer, 200 if merged else 201, headers, how.content_type if how.prefer.representation else None
    )


def change_response(answer: Answer, how: Manner, *, ranged: bool) -> Response:
    """For UPDATE (whose Content-Range counts from 0) and DELETE: 200 with the rows, else 204.

    Raises PGRST124, so that all is rolled back, if more rows were affected than allowed.
    """
    if how.prefer.representation:
        _check_single(answer, how.shape)
    if how.prefer.max_affected is not None and answer.rows > how.prefer.max_affected:
        raise ApiError(
            400,
            "PGRST124",
            "Query result exceeds max-affected preference constraint",
            f"The query affects {answer.rows} rows",
        )
    total = answer.rows if how.prefer.counted else None
    headers = {
        "Content-Range": _content_range(answer.rows if ranged else 0, total, 0),
        **how.prefer.applied("missing", "return", "count", "handling", "max-affected"),
    }
    if not how.prefer.representation:
        return _response(answer, 204, headers)
    return _response(answer, 200, headers, how.content_type)


def _check_single(answer: Answer, shape: Shape) -> None:
    """Raises PGRST116 if one object was asked for and the answer is not one row."""
    if shape.single and answer.rows != 1:
        raise ApiError(
            406,
            "PGRST116",
            "Cannot coerce the result to a single JSON object",
            f"The result contains {answer.rows} rows",
        )


def _content_range(rows: int, total: int | None, offset: int) -> str:
    whole = "*" if total is None else str(total)
    return f"{offset}-{offset + rows - 1}/{whole}" if rows else f"*/{whole}"


def _response(
    answer: Answer, status: int, headers: Mapping[str, str], content_type: str | None = None
) -> Response:
    body = answer.body if content_type else ""
    response = Response(body, _status(answer, status), headers, content_type)
    for name, value in _own_headers(answer):
        response.headers[name] = value
    return response


def _status(answer: Answer, status: int) -> int:
    """`response.status`, if the statement set it."""
    if answer.status is None:
        return status
    if not re.fullmatch("[2-5][0-9][0-9]", answer.status):
        raise ApiError(500, "PGRST112", "response.status guc must be a valid status code")
    return int(answer.status)


def _own_headers(answer: Answer) -> list[tuple[str, str]]:
    """`response.headers`, if the statement set it: a JSON array of objects of one pair each."""
    if answer.headers is None:
        return []
    try:
        objects = json.loads(answer.headers)
        pairs = [pair for one in objects for pair in one.items()]
        sound = len(pairs) == len(objects) and all(sound_header(name, value) for name, value in pairs)
    except (ValueError, TypeError, AttributeError):
        sound = False
    if not sound:
        raise ApiError(
            500, "PGRST111", "response.headers guc must be a JSON array composed of objects with a single key"
        )
    return pairs
