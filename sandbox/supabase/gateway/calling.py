"""Calls of functions: which one is meant, and the statement that calls it."""

from collections.abc import Mapping, Sequence

from psycopg import sql

from sandbox.supabase.gateway.catalogue import Catalogue, Function, Table, TableColumn
from sandbox.supabase.gateway.errors import ApiError
from sandbox.supabase.gateway.reading import Reader, Source
from sandbox.supabase.gateway.sql import Bindings, join, record_definition, relation
from sandbox.supabase.gateway.tree import Column, Field, Query
from sandbox.supabase.gateway.whole import Shape, Statement, whole_statement

_VALUE = "_sandbox_value"
_CALLED = sql.Identifier("_sandbox_called")
_ARGUMENTS = sql.Identifier("_sandbox_arguments")


def choose_function(catalogue: Catalogue, name: str, given: Sequence[str], *, whole_body: bool) -> Function:
    """The function `name` that takes just the arguments `given`; required ones must be among them.

    whole_body: one with a single unnamed json argument may take the body instead.
    Raises PGRST202 if there is none, PGRST203 if there are several.
    """
    candidates = catalogue.functions.get(name, ())
    wanted = frozenset(given)
    found = [one for one in candidates if _takes(one, wanted)]
    if not found and whole_body:
        found = [one for one in candidates if takes_whole_body(one)]
    if len(found) == 1:
        return found[0]
    spelled = ", ".join(given)
    if not found:
        called = f"public.{name}({spelled})" if given else f"public.{name} without parameters"
        alternative = " or with a single unnamed json/jsonb parameter" if whole_body else ""
        searched = f"with parameters {spelled}{alternative}" if given else "without parameters"
        raise ApiError(
            404,
            "PGRST202",
            f"Could not find the function {called} in the schema cache",
            f"Searched for the function public.{name} {searched}, "
            "but no matches were found in the schema cache.",
        )
    signatures = ", ".join(
        f"public.{name}(" + ", ".join(f"{taken.name} => {taken.type}" for taken in one.arguments) + ")"
        for one in found
    )
    raise ApiError(
        300,
        "PGRST203",
        f"Could not choose the best candidate function between: {signatures}",
        hint="Try renaming the parameters or the function itself in the database "
        "so function overloading can be resolved",
    )


def takes_whole_body(function: Function) -> bool:
    """Whether it has one argument without a name that takes JSON."""
    return [(one.name, one.type in ("json", "jsonb")) for one in function.arguments] == [("", True)]


def call(
    catalogue: Catalogue,
    function: Function,
    query: Query,
    arguments: str | Mapping[str, str],
    given: Sequence[str],
    shape: Shape,
    *,
    counted: bool,
    head: bool = False,
) -> Statement:
    """The call with JSON text or, by GET, with one text per argument."""
    bindings = Bindings()
    reader = Reader(catalogue, query, bindings)
    alias = function.name
    called = relation(function.name)
    passed = [one for one in function.arguments if one.name in given]
    source: sql.Composable = sql.SQL("")
    if takes_whole_body(function) and isinstance(arguments, str):
        typed = sql.SQL(function.arguments[0].type)
        values: list[sql.Composable] = [sql.SQL("{}::{}").format(bindings.add(arguments), typed)]
    elif isinstance(arguments, str):
        values = [sql.Identifier("_sandbox_arguments", one.name) for one in passed]
        if passed:
            source = sql.SQL("pg_catalog.json_to_record({}) as {} ({}), lateral ").format(
                bindings.add(arguments), _ARGUMENTS, record_definition((one.name, one.type) for one in passed)
            )
    else:
        values = [
            sql.SQL("{}::{}").format(
                bindings.add(arguments[one.name]),
                sql.SQL(one.type),
            )
            for one in passed
        ]
    if passed:
        values = [
            sql.SQL("variadic {} => {}" if one.variadic else "{} => {}").format(
                sql.Identifier(one.name), value
            )
            for one, value in zip(passed, values, strict=True)
        ]
    bare = function.rows is None
    results = sql.SQL(" as {} ({})" if bare else " as {}").format(
        sql.Identifier(alias), sql.Identifier(_VALUE)
    )
    common = sql.SQL("{} as (select {}.* from {}{}({}){})").format(
        _CALLED, sql.Identifier(alias), source, called, join(values), results
    )
    table = function.rows or Table(function.name, {_VALUE: TableColumn(_VALUE, "")})
    selection = reader.selection(
        Source(_CALLED + sql.SQL(" as ") + sql.Identifier(alias), alias, table),
        (Column(Field(_VALUE)),) if bare else None,
    )
    total = sql.SQL("({})").format(selection.count) if counted else sql.SQL("null")
    single = shape.single or not function.returns_set
    return whole_statement(
        [common],
        selection.rows,
        Shape(single, shape.strip_nulls),
        bindings,
        total,
        body=not head and not function.returns_void,
        element=sql.Identifier("_sandbox_row", _VALUE) if bare else None,
    )


def _takes(function: Function, given: frozenset[str]) -> bool:
    names = frozenset(one.name for one in function.arguments)
    required = frozenset(one.name for one in function.arguments if one.required)
    return required <= given <= names and "" not in names
