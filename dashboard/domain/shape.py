"""The base of every type that is read from JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict


class Shape(BaseModel):
    """Frozen, and tolerant of fields that a newer schema or service adds."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


def _as_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _empty_for_null(value: Any) -> Any:
    return () if value is None else value


def _no_pairs_for_null(value: Any) -> Any:
    return {} if value is None else value


Instant = Annotated[datetime, AfterValidator(_as_utc)]
"""A moment, always aware and in UTC."""

Numbers = Annotated[tuple[int, ...], BeforeValidator(_empty_for_null)]
"""Evidence numbers; JSON null reads as none."""

Texts = Annotated[tuple[str, ...], BeforeValidator(_empty_for_null)]
"""A list of texts; JSON null reads as none."""

Json = Annotated[dict[str, Any], BeforeValidator(_no_pairs_for_null)]
"""A JSON object that is carried, not interpreted; JSON null reads as empty."""
