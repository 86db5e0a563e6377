"""Rows as domain types; a row of another shape is an error of ours, not a crash."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from pydantic import ValidationError

from dashboard.domain.shape import Shape
from dashboard.errors import UpstreamProtocolError
from dashboard.store.refusals import SERVICE

Kind = TypeVar("Kind", bound=Shape)


def understood(kind: type[Kind], row: Any) -> Kind:
    """One row. Raises UpstreamProtocolError naming the fields that are not as expected."""
    try:
        return kind.model_validate(row)
    except ValidationError as error:
        places = ", ".join(
            ".".join(str(part) for part in finding["loc"]) or "the whole"
            for finding in error.errors(include_url=False, include_input=False, include_context=False)
        )
        raise UpstreamProtocolError(
            SERVICE,
            f"An answer about {kind.__name__} was not understood: {places}.",
            to_do="Check that desk and migrations are of the same version: incidentscribe migrate.",
        ) from error


def all_understood(kind: type[Kind], rows: Iterable[Any]) -> tuple[Kind, ...]:
    """Every row, in order."""
    return tuple(understood(kind, row) for row in rows)
