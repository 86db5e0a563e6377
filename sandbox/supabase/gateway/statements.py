"""The one statement of a request, and the columns of its answer."""

from psycopg import sql

from sandbox.supabase.gateway.catalogue import Catalogue, Table
from sandbox.supabase.gateway.errors import ApiError
from sandbox.supabase.gateway.payload import Payload
from sandbox.supabase.gateway.prefer import Preferences
from sandbox.supabase.gateway.reading import Reader, Source
from sandbox.supabase.gateway.sql import Bindings, join, record_definition, relation, unknown_column
from sandbox.supabase.gateway.tree import Query
from sandbox.supabase.gateway.whole import Shape, Statement, whole_statement


def read(
    catalogue: Catalogue, table: Table, query: Query, shape: Shape, *, counted: bool, head: bool = False
) -> Statement:
    """SELECT for GET and HEAD."""
    bindings = Bindings()
    reader = Reader(catalogue, query, bindings)
    source = Source(relation(table.name), table.name, table)
    selection = reader.selection(source)
    total = sql.SQL("({})").format(selection.count) if counted else sql.SQL("null")
    return whole_statement([], selection.rows, shape, bindings, total, body=not head)


def insert(
    catalogue: Catalogue, table: Table, query: Query, payload: Payload, prefer: Preferences, shape: Shape
) -> Statement:
    """INSERT, with ON CONFLICT if a resolution was asked for and there is a key to conflict on."""
    bindings = Bindings()
    reader = Reader(catalogue, query, bindings)
    alias = reader.alias()
    names = [sql.Identifier(name) for name in payload.keys]
    rows = _rows(table, payload, prefer, bindings, alias)
    target = query.on_conflict or table.primary_key
    conflict: sql.Composable = sql.SQL("")
    counting: sql.Composable = sql.SQL("")
    if prefer.resolution and target:
        counting = sql.SQL(" where {} <> '-1'").format(_counter("+ 1"))
        keys = join([sql.Identifier(name) for name in target])
        if prefer.resolution == "ignore-duplicates" or not names:
            conflict = sql.SQL(" on conflict ({}) do nothing").format(keys)
        else:
            changes = join([sql.SQL("{0} = excluded.{0}").format(name) for name in names])
            conflict = sql.SQL(" on conflict ({}) do update set {} where {} <> '-1'").format(
                keys, changes, _counter("- 1")
            )
    target_alias = table.name
    written = sql.SQL("insert into {} as {}{} select {} from {}{}{}").format(
        relation(table.name),
        sql.Identifier(target_alias),
        sql.SQL(" ({})").format(join([*names])) if names else sql.SQL(""),
        join([sql.Identifier(alias) + sql.SQL(".") + name for name in names]),
        rows,
        counting,
        conflict,
    )
    return _write(reader, table, target_alias, written, prefer, shape, bindings)


def update(
    catalogue: Catalogue, table: Table, query: Query, payload: Payload, prefer: Preferences, shape: Shape
) -> Statement:
    """UPDATE of every row that passes the filters; order and limit do not narrow it."""
    bindings = Bindings()
    reader = Reader(catalogue, query, bindings)
    target, body = table.name, reader.alias()
    if not query.filters.get(()):
        raise _needs_where("UPDATE")
    if not payload.keys:
        # Nothing to change: no row is touched, and none is answered.
        nothing = sql.SQL("(select * from {} where false) as {}").format(
            relation(table.name), sql.Identifier(target)
        )
        rows = reader.selection(Source(nothing, target, table), written=True).rows
        return whole_statement([], rows, shape, bindings, body=prefer.representation)
    changes = [
        sql.SQL("{} = {}").format(sql.Identifier(name), sql.Identifier(body, name)) for name in payload.keys
    ]
    written = sql.SQL("update {} as {} set {} from (select {}.* from {} limit 1) as {} where {}").format(
        relation(table.name),
        sql.Identifier(target),
        join([*changes]),
        sql.Identifier(body),
        _rows(table, payload, prefer, bindings, body),
        sql.Identifier(body),
        reader.filters(Source(sql.SQL(""), target, table)),
    )
    return _write(reader, table, target, written, prefer, shape, bindings)


def delete(catalogue: Catalogue, table: Table, query: Query, prefer: Preferences, shape: Shape) -> Statement:
    """DELETE of every row that passes the filters."""
    bindings = Bindings()
    reader = Reader(catalogue, query, bindings)
    target = table.name
    if not query.filters.get(()):
        raise _needs_where("DELETE")
    written = sql.SQL("delete from {} as {} where {}").format(
        relation(table.name), sql.Identifier(target), reader.filters(Source(sql.SQL(""), target, table))
    )
    return _write(reader, table, target, written, prefer, shape, bindings)


def _write(
    reader: Reader,
    table: Table,
    target: str,
    written: sql.Composable,
    prefer: Preferences,
    shape: Shape,
    bindings: Bindings,
) -> Statement:
    """The answer to `written`, whose target calls itself `target`."""
    name = sql.Identifier("_sandbox_written")
    if not prefer.representation:
        # RETURNING 1 asks for no SELECT right, and still counts.
        common = [sql.SQL("{} as ({} returning 1)").format(name, written)]
        rows: sql.Composable = sql.SQL("select 1 from ") + name
        return whole_statement(common, rows, Shape(), bindings, body=False, inserted=True)
    needed = reader.needed(table, target)
    common = [sql.SQL("{} as ({} returning {})").format(name, written, needed)]
    source = Source(name + sql.SQL(" as ") + sql.Identifier(target), target, table)
    rows = reader.selection(source, written=True).rows
    return whole_statement(common, rows, shape, bindings, inserted=True)


def _rows(
    table: Table, payload: Payload, prefer: Preferences, bindings: Bindings, alias: str
) -> sql.Composable:
    """The body as a FROM item with one column per key; with missing=default absent keys take theirs."""
    called = sql.Identifier(alias)
    body = bindings.add(payload.text)
    for name in payload.keys:
        if name not in table.columns:
            raise unknown_column(name, table)
    if not payload.keys:
        return sql.SQL("pg_catalog.json_array_elements({}) as {}").format(body, called)
    typed = record_definition((name, table.columns[name].type) for name in payload.keys)
    defaults = [
        sql.SQL("{}::pg_catalog.text, ({})").format(bindings.add(name), sql.SQL(default))
        for name in payload.keys
        if prefer.missing_default and (default := table.columns[name].default) is not None
    ]
    if not defaults:
        return sql.SQL("pg_catalog.json_to_recordset({}) as {} ({})").format(body, called, typed)
    return sql.SQL(
        "pg_catalog.jsonb_array_elements({}) as _sandbox_element (value), lateral pg_catalog.jsonb_to_record("
        "pg_catalog.jsonb_build_object({}) || _sandbox_element.value) as {} ({})"
    ).format(body, join([*defaults]), called, typed)


def _counter(change: str) -> sql.Composable:
    """Counts inside the transaction how many rows were new: raised per row, lowered per conflict."""
    return sql.SQL(
        "pg_catalog.set_config('sandbox.inserted', (coalesce(nullif("
        "pg_catalog.current_setting('sandbox.inserted', true), '')::int4, 0) {})::text, true)"
    ).format(sql.SQL("+ 1" if change == "+ 1" else "- 1"))


def _needs_where(kind: str) -> ApiError:
    """Supabase loads safeupdate for requests through the API."""
    return ApiError(400, "21000", f"{kind} requires a WHERE clause")
