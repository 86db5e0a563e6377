"""What schema `public` holds (tables, keys, functions) and the settings of the roles, out of pg_catalog."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg.rows import namedtuple_row

SCHEMA = "public"


@dataclass(frozen=True)
class TableColumn:
    """`type` is SQL text as format_type() writes it; `default` is SQL text or None."""

    name: str
    type: str
    default: str | None = None


@dataclass(frozen=True)
class Table:
    """A table, view or the rows of a function; `keys` are its primary key and unique constraints."""

    name: str
    columns: Mapping[str, TableColumn]
    primary_key: tuple[str, ...] = ()
    keys: tuple[frozenset[str], ...] = ()


@dataclass(frozen=True)
class ForeignKey:
    name: str
    table: str
    columns: tuple[str, ...]
    target: str
    target_columns: tuple[str, ...]


@dataclass(frozen=True)
class Argument:
    name: str
    type: str
    required: bool
    variadic: bool = False


@dataclass(frozen=True)
class Function:
    """`rows` describes composite results (None: a bare value); `returns_set` means any number of them."""

    name: str
    arguments: tuple[Argument, ...]
    read_only: bool
    returns_set: bool
    returns_void: bool
    rows: Table | None


@dataclass(frozen=True)
class Catalogue:
    tables: Mapping[str, Table]
    foreign_keys: tuple[ForeignKey, ...]
    functions: Mapping[str, tuple[Function, ...]]
    role_settings: Mapping[str, tuple[tuple[str, str], ...]]


def load_catalogue(connection: psycopg.Connection) -> Catalogue:
    """Reads everything, inside the caller's transaction, whose search_path it empties: every type that is not
    Postgres's own is then spelled with its schema."""
    with connection.cursor(row_factory=namedtuple_row) as cursor:

        def rows(query: LiteralString) -> Iterator[Any]:
            yield from cursor.execute(query)

        cursor.execute("select set_config('search_path', '', true)")
        columns: dict[str, dict[str, TableColumn]] = {}
        for row in rows(_COLUMNS):
            columns.setdefault(row.relation, {})
            if row.name is not None:
                columns[row.relation][row.name] = TableColumn(row.name, row.type, row.default_sql)
        primary: dict[str, tuple[str, ...]] = {}
        unique: dict[str, list[frozenset[str]]] = {}
        foreign_keys: list[ForeignKey] = []
        for row in rows(_CONSTRAINTS):
            if row.kind == "f":
                foreign_keys.append(
                    ForeignKey(
                        row.name, row.relation, tuple(row.columns), row.target, tuple(row.target_columns)
                    )
                )
                continue
            unique.setdefault(row.relation, []).append(frozenset(row.columns))
            if row.kind == "p":
                primary[row.relation] = tuple(row.columns)
        tables = {
            name: Table(name, held, primary.get(name, ()), tuple(unique.get(name, ())))
            for name, held in columns.items()
        }
        functions: dict[str, tuple[Function, ...]] = {}
        for row in rows(_FUNCTIONS):
            functions[row.name] = (*functions.get(row.name, ()), _function(row, tables))
        settings = {
            row.role: tuple(_assignment(text) for text in row.settings) for row in rows(_ROLE_SETTINGS)
        }
    return Catalogue(tables, tuple(foreign_keys), functions, settings)


def _function(row: Any, tables: Mapping[str, Table]) -> Function:
    modes = row.modes or ["i"] * len(row.types)
    names = row.names or [""] * len(row.types)
    taken = [
        (name, type_, mode)
        for name, type_, mode in zip(names, row.types, modes, strict=True)
        if mode in ("i", "b", "v")
    ]
    required = len(taken) - row.defaults
    arguments = tuple(
        Argument(name, type_, place < required, mode == "v")
        for place, (name, type_, mode) in enumerate(taken)
    )
    given = {
        name: TableColumn(name, type_)
        for name, type_, mode in zip(names, row.types, modes, strict=True)
        if mode in ("o", "b", "t")
    }
    rows: Table | None = None
    if row.result_relation is not None:
        rows = tables.get(row.result_relation) or Table(row.name, {})
    elif "t" in modes or (row.result == "record" and given):
        rows = Table(row.name, given)
    elif row.composite:
        rows = Table(row.name, {})
    return Function(
        name=row.name,
        arguments=arguments,
        read_only=row.volatility in ("i", "s"),
        returns_set=row.returns_set,
        returns_void=row.result == "void",
        rows=rows,
    )


def _assignment(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value


_COLUMNS = """
select c.relname as relation, a.attname as name,
       pg_catalog.format_type(a.atttypid, a.atttypmod) as type,
       case when a.attgenerated = '' then pg_catalog.pg_get_expr(d.adbin, d.adrelid) end as default_sql
from pg_catalog.pg_class c
left join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
left join pg_catalog.pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
where c.relnamespace = 'public'::pg_catalog.regnamespace and c.relkind in ('r', 'v', 'm', 'f', 'p')
order by c.relname, a.attnum
"""

_CONSTRAINTS = """
select k.conname as name, k.contype as kind, c.relname as relation, t.relname as target,
       (select pg_catalog.array_agg(a.attname::text order by u.n)
        from pg_catalog.unnest(k.conkey) with ordinality as u(num, n)
        join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = u.num) as columns,
       (select pg_catalog.array_agg(a.attname::text order by u.n)
        from pg_catalog.unnest(k.confkey) with ordinality as u(num, n)
        join pg_catalog.pg_attribute a on a.attrelid = k.confrelid and a.attnum = u.num) as target_columns
from pg_catalog.pg_constraint k
join pg_catalog.pg_class c on c.oid = k.conrelid
left join pg_catalog.pg_class t on t.oid = k.confrelid
where k.connamespace = 'public'::pg_catalog.regnamespace and k.contype in ('p', 'u', 'f')
  and k.conparentid = 0
  and (t.oid is null or t.relnamespace = 'public'::pg_catalog.regnamespace)
order by c.relname, k.conname
"""

_FUNCTIONS = """
select p.proname as name, p.provolatile as volatility, p.proretset as returns_set,
       p.pronargdefaults as defaults, p.proargnames as names, p.proargmodes::text[] as modes,
       coalesce((select pg_catalog.array_agg(pg_catalog.format_type(u.type, null) order by u.n)
                 from pg_catalog.unnest(coalesce(p.proallargtypes, p.proargtypes::oid[]))
                      with ordinality as u(type, n)), '{}') as types,
       case when t.typtype in ('c', 'p') then t.typname else '' end as result, t.typtype = 'c' as composite,
       case when r.relnamespace = 'public'::pg_catalog.regnamespace then r.relname end as result_relation
from pg_catalog.pg_proc p
join pg_catalog.pg_type t on t.oid = p.prorettype
left join pg_catalog.pg_class r on r.oid = nullif(t.typrelid, 0::oid)
where p.pronamespace = 'public'::pg_catalog.regnamespace and p.prokind = 'f'
  and t.typname not in ('trigger', 'event_trigger')
order by p.proname, p.oid
"""

# Not the login role's own: Postgres applied those when it logged in.
_ROLE_SETTINGS = """
select r.rolname as role, pg_catalog.array_agg(u.setting order by s.setdatabase, u.n) as settings
from pg_catalog.pg_db_role_setting s
join pg_catalog.pg_roles r on r.oid = s.setrole
cross join pg_catalog.unnest(s.setconfig) with ordinality as u(setting, n)
where s.setdatabase in (0, (select d.oid from pg_catalog.pg_database d
                            where d.datname = pg_catalog.current_database()))
  and pg_catalog.pg_has_role(current_user, r.oid, 'member') and r.rolname <> session_user
group by r.rolname
"""
