"""The one statement of a request: rows gathered into a body, and everything else the answer says."""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import sql

from sandbox.supabase.gateway.sql import Bindings, join

_NULL = sql.SQL("null")
_ROW = sql.Identifier("_sandbox_row")


@dataclass(frozen=True)
class Shape:
    """How rows become the body: one bare object or value, an array, nulls left out."""

    single: bool = False
    strip_nulls: bool = False


@dataclass(frozen=True)
class Statement:
    """`sql` answers one row: body, count of rows, total or null, inserted or null, headers, status."""

    sql: sql.Composed
    values: list[str]


def whole_statement(
    common: Sequence[sql.Composable],
    rows: sql.Composable,
    shape: Shape,
    bindings: Bindings,
    total: sql.Composable = _NULL,
    *,
    element: sql.Composable | None = None,
    body: bool = True,
    inserted: bool = False,
) -> Statement:
    """Everything about the answer in the outer SELECT, so that one round trip brings it all."""
    gathered: sql.Composable = sql.SQL("pg_catalog.json_agg({})").format(element or _ROW)
    if shape.strip_nulls:
        gathered = sql.SQL("pg_catalog.json_strip_nulls({})").format(gathered)
    if not body:
        text: sql.Composable = sql.SQL("''")
    elif shape.single:
        text = sql.SQL("coalesce(({} -> 0)::text, 'null')").format(gathered)
    else:
        text = sql.SQL("coalesce({}::text, '[]')").format(gathered)
    return Statement(
        sql.SQL(
            "with {} select {}, pg_catalog.count(*), {}::int8, {}, {}, {} from _sandbox_source as {}"
        ).format(
            join([*common, sql.SQL("_sandbox_source as ({})").format(rows)]),
            text,
            total,
            _setting("sandbox.inserted") if inserted else sql.SQL("null"),
            _setting("response.headers"),
            _setting("response.status"),
            _ROW,
        ),
        bindings.values,
    )


def _setting(name: str) -> sql.Composable:
    return sql.SQL("nullif(pg_catalog.current_setting({}, true), '')").format(sql.Literal(name))
