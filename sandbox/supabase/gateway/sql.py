"""Fields, filters and orders as SQL. Names are quoted identifiers, values parameters; nothing is pasted."""

from collections.abc import Iterable
from typing import LiteralString

from psycopg import sql

from sandbox.supabase.gateway.catalogue import SCHEMA, Table
from sandbox.supabase.gateway.errors import ApiError
from sandbox.supabase.gateway.tree import Comparison, Field, OrderTerm

_OPERATORS: dict[str, LiteralString] = {
    "eq": "=", "neq": "<>", "gt": ">", "gte": ">=", "lt": "<", "lte": "<=",
    "like": "like", "ilike": "ilike", "match": "~", "imatch": "~*",
    "cs": "@>", "cd": "<@", "ov": "&&", "sl": "<<", "sr": ">>", "nxr": "&<", "nxl": "&>", "adj": "-|-",
    "isdistinct": "is distinct from",
}  # fmt: skip
_TEXT_SEARCH: dict[str, LiteralString] = {
    "fts": "to_tsquery",
    "plfts": "plainto_tsquery",
    "phfts": "phraseto_tsquery",
    "wfts": "websearch_to_tsquery",
}
_IS: dict[str, LiteralString] = {
    "null": "is null",
    "not_null": "is not null",
    "true": "is true",
    "false": "is false",
    "unknown": "is unknown",
}
_CAST_NAMES = {
    "int": "int4", "integer": "int4", "bigint": "int8", "smallint": "int2", "decimal": "numeric",
    "real": "float4", "float": "float8", "double precision": "float8", "boolean": "bool",
    "character varying": "varchar", "character": "bpchar", "char": "bpchar",
    "timestamp with time zone": "timestamptz", "timestamp without time zone": "timestamp",
    "time with time zone": "timetz", "time without time zone": "time",
}  # fmt: skip


class Bindings:
    """The parameters of one statement, in order; all travel as text whose type Postgres infers."""

    def __init__(self) -> None:
        self.values: list[str] = []

    def add(self, value: str) -> sql.SQL:
        """Binds `value`; the answer is its place in the statement."""
        self.values.append(value)
        return sql.SQL(f"${len(self.values)}")


def join(parts: list[sql.Composable], separator: LiteralString = ", ") -> sql.Composed:
    return sql.SQL(separator).join(parts)


def relation(name: str) -> sql.Identifier:
    """A table or function of the exposed schema."""
    return sql.Identifier(SCHEMA, name)


def column(alias: str, name: str) -> sql.Identifier:
    return sql.Identifier(alias, name)


def field(alias: str, table: Table, place: Field, bindings: Bindings) -> sql.Composable:
    """A column or a place inside its JSON."""
    found = table.columns.get(place.column)
    rendered: sql.Composable = column(alias, place.column)
    if not place.steps:
        return rendered
    if found is None or found.type not in ("json", "jsonb"):
        rendered = sql.SQL("to_jsonb({})").format(rendered)
    for step in place.steps:
        arrow = sql.SQL("->>") if step.arrow == "->>" else sql.SQL("->")
        type_ = sql.SQL("int4") if isinstance(step.key, int) else sql.SQL("text")
        rendered = sql.SQL("({} {} {}::pg_catalog.{})").format(
            rendered, arrow, bindings.add(str(step.key)), type_
        )
    return rendered


def cast(rendered: sql.Composable, type_name: str) -> sql.Composable:
    """A cast to one named type; the name is quoted, so it can be nothing but a name."""
    return sql.SQL("cast({} as {})").format(rendered, sql.Identifier(_CAST_NAMES.get(type_name, type_name)))


def comparison(alias: str, table: Table, wanted: Comparison, bindings: Bindings) -> sql.Composable:
    """A filter on a column of `table`, which is called `alias`."""
    rendered = _comparison(field(alias, table, wanted.field, bindings), table, wanted, bindings)
    return sql.SQL("(not ({}))" if wanted.negated else "({})").format(rendered)


def _comparison(left: sql.Composable, table: Table, wanted: Comparison, bindings: Bindings) -> sql.Composable:
    if wanted.operator == "is":
        return sql.SQL("{} {}").format(left, sql.SQL(_IS[wanted.values[0]]))
    if wanted.operator == "in":
        return sql.SQL("{} = any({})").format(left, bindings.add(array_literal(wanted.values)))
    value = wanted.values[0]
    if wanted.operator in _TEXT_SEARCH:
        return _text_search(left, table, wanted, bindings)
    if wanted.operator in ("like", "ilike"):
        value = value.replace("*", "%")
    right: sql.Composable = bindings.add(value)
    if wanted.quantifier:
        right = sql.SQL("any({})" if wanted.quantifier == "any" else "all({})").format(right)
    return sql.SQL("{} {} {}").format(left, sql.SQL(_OPERATORS[wanted.operator]), right)


def _text_search(
    left: sql.Composable, table: Table, wanted: Comparison, bindings: Bindings
) -> sql.Composable:
    config: list[sql.Composable] = []
    if wanted.config:
        config = [sql.SQL("{}::pg_catalog.regconfig").format(bindings.add(wanted.config))]
    found = table.columns.get(wanted.field.column)
    if wanted.field.steps or found is None or found.type != "tsvector":
        left = sql.SQL("to_tsvector({})").format(join([*config, left]))
    query = sql.SQL(_TEXT_SEARCH[wanted.operator])
    return sql.SQL("{} @@ {}({})").format(left, query, join([*config, bindings.add(wanted.values[0])]))


def record_definition(columns: Iterable[tuple[str, str]]) -> sql.Composable:
    """`"name" type, …`; the types are format_type() text from the catalogue, not from a request."""
    return join([sql.Identifier(name) + sql.SQL(" " + type_) for name, type_ in columns])


def array_literal(values: tuple[str, ...]) -> str:
    """Postgres's own spelling of an array, every element quoted, for `= any(…)`."""
    quoted = ('"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values)
    return "{" + ",".join(quoted) + "}"


def order(rendered: sql.Composable, term: OrderTerm) -> sql.Composable:
    """One term of ORDER BY."""
    direction = sql.SQL(" desc") if term.descending else sql.SQL(" asc")
    nulls = {None: sql.SQL(""), "first": sql.SQL(" nulls first"), "last": sql.SQL(" nulls last")}
    return rendered + direction + nulls[term.nulls]


def unknown_column(name: str, table: Table) -> ApiError:
    return ApiError(
        400, "PGRST204", f"Could not find the '{name}' column of '{table.name}' in the schema cache"
    )
