"""A select tree over one relation as SQL: columns, embeds as lateral joins, filters, order, range."""

from dataclasses import dataclass

from psycopg import sql

from sandbox.supabase.gateway.catalogue import Catalogue, Table
from sandbox.supabase.gateway.errors import ApiError
from sandbox.supabase.gateway.relationships import Relationship, find_relationship
from sandbox.supabase.gateway.sql import Bindings, cast, column, comparison, field, join, order, relation
from sandbox.supabase.gateway.tree import (
    Column,
    Comparison,
    Condition,
    Embed,
    EmbedPath,
    Junction,
    OrderTerm,
    Query,
    SelectItem,
)

MAX_ROWS = 1000


@dataclass(frozen=True)
class Source:
    """What is read: `sql` is the FROM item, which calls itself `alias`."""

    sql: sql.Composable
    alias: str
    table: Table


@dataclass(frozen=True)
class Selection:
    """The parts of a SELECT, so that counting can leave out columns, order and range."""

    columns: sql.Composable
    source: sql.Composable
    where: sql.Composable
    tail: sql.Composable

    @property
    def rows(self) -> sql.Composed:
        return sql.SQL("select {} from {}{}{}").format(self.columns, self.source, self.where, self.tail)

    @property
    def count(self) -> sql.Composed:
        return sql.SQL("select pg_catalog.count(*) from {}{}").format(self.source, self.where)


@dataclass(frozen=True)
class _Joined:
    """An embed of this level: its lateral join is called `alias`."""

    embed: Embed
    relationship: Relationship
    alias: str


class Reader:
    """Renders the select tree of one request; `bindings` collects the values."""

    def __init__(self, catalogue: Catalogue, query: Query, bindings: Bindings) -> None:
        self._catalogue = catalogue
        self._query = query
        self._bindings = bindings
        self._aliases = 0
        _check_paths(query)

    def alias(self) -> str:
        """A name for a FROM item that no column or table of the database can shadow."""
        self._aliases += 1
        return f"_sandbox_{self._aliases}"

    def selection(
        self,
        source: Source,
        items: tuple[SelectItem, ...] | None = None,
        path: EmbedPath = (),
        join_on: tuple[sql.Composable, ...] = (),
        *,
        written: bool = False,
    ) -> Selection:
        """The parts of the SELECT for the items at `path`.

        written: the rows come from an INSERT, UPDATE or DELETE, which has used the filters at `()` already.
        """
        items = self._query.select if items is None else items
        joined = [self._joined(source.table, item) for item in items if isinstance(item, Embed)]
        laterals = [self._lateral(source, one, path) for one in joined]
        columns = [self._column(source, item, joined) for item in items]
        conditions = list(join_on)
        if not written:
            filters = self._query.filters.get(path, ())
            conditions += [self._condition(source, joined, one) for one in filters]
        conditions += [
            sql.SQL("{} > 0").format(column(one.alias, "count"))
            for one in joined
            if one.embed.inner and not one.relationship.to_one
        ]
        return Selection(
            columns=join([rendered for rendered in columns if rendered is not None]),
            source=join([source.sql, *laterals], " "),
            where=sql.SQL(" where ") + join(conditions, " and ") if conditions else sql.SQL(""),
            tail=sql.SQL("") if written else self._tail(source, joined, path),
        )

    def needed(self, table: Table, target: str) -> sql.Composable:
        """What RETURNING must give, of `target` that was written, to read the select tree from it."""
        names: dict[str, None] = {}
        for item in self._query.select:
            if isinstance(item, Column):
                names[item.field.column] = None
            elif isinstance(item, Embed):
                found = find_relationship(self._catalogue, table, item.relation, item.hint)
                names.update(dict.fromkeys(found.parent_columns))
            else:
                return sql.Identifier(target) + sql.SQL(".*")
        return join([column(target, name) for name in names]) if names else sql.SQL("1")

    def filters(self, source: Source) -> sql.Composable:
        """The filters at `()` for the WHERE of an UPDATE or DELETE."""
        return join([self._condition(source, [], one) for one in self._query.filters[()]], " and ")

    # Columns and embeds ------------------------------------------------------------------------------------

    def _joined(self, table: Table, embed: Embed) -> _Joined:
        found = find_relationship(self._catalogue, table, embed.relation, embed.hint)
        if embed.spread and not found.to_one:
            raise ApiError(
                400,
                "PGRST127",
                "Feature not implemented",
                f"A spread of a to-many relationship ('{embed.relation}') is not served here.",
            )
        return _Joined(embed, found, self.alias())

    def _column(self, source: Source, item: SelectItem, joined: list[_Joined]) -> sql.Composable | None:
        if isinstance(item, Column):
            rendered = field(source.alias, source.table, item.field, self._bindings)
            if item.cast:
                rendered = cast(rendered, item.cast)
            return rendered + sql.SQL(" as ") + sql.Identifier(item.alias or item.field.result_name)
        if isinstance(item, Embed):
            alias = next(one.alias for one in joined if one.embed is item)
            if item.spread:
                return sql.Identifier(alias) + sql.SQL(".*") if item.items else None
            if not item.items:
                return None
            return column(alias, "body") + sql.SQL(" as ") + sql.Identifier(item.name)
        return sql.Identifier(source.alias) + sql.SQL(".*")

    def _lateral(self, parent: Source, one: _Joined, path: EmbedPath) -> sql.Composable:
        embed, found = one.embed, one.relationship
        alias = self.alias()
        target = relation(found.target.name) + sql.SQL(" as ") + sql.Identifier(alias)
        between = alias
        if found.junction is not None:
            between = self.alias()
            junction = relation(found.junction) + sql.SQL(" as ") + sql.Identifier(between)
            on = [
                sql.SQL("{} = {}").format(column(between, near), column(alias, far))
                for near, far in found.junction_pairs
            ]
            target = sql.SQL("{} join {} on {}").format(target, junction, join([*on], " and "))
        belongs = tuple(
            sql.SQL("{} = {}").format(column(between, there), column(parent.alias, here))
            for here, there in found.pairs
        )
        inner = self.selection(
            Source(target, alias, found.target), embed.items, (*path, embed.name), belongs
        ).rows
        how = sql.SQL("join lateral" if embed.inner and found.to_one else "left join lateral")
        if embed.spread:
            body: sql.Composable = inner
        elif found.to_one:
            row = sql.Identifier(self.alias())
            body = sql.SQL(
                "select pg_catalog.row_to_json({row}) as body, 1 as count from ({inner}) {row}"
            ).format(row=row, inner=inner)
        else:
            row = sql.Identifier(self.alias())
            body = sql.SQL(
                "select coalesce(pg_catalog.json_agg({row}), '[]') as body, pg_catalog.count(*) as count"
                " from ({inner}) {row}"
            ).format(row=row, inner=inner)
        return sql.SQL("{} ({}) {} on true").format(how, body, sql.Identifier(one.alias))

    # Filters, order, range ---------------------------------------------------------------------------------

    def _condition(self, source: Source, joined: list[_Joined], wanted: Condition) -> sql.Composable:
        if isinstance(wanted, Junction):
            parts = [self._condition(source, joined, part) for part in wanted.parts]
            together = join(parts, " and " if wanted.kind == "and" else " or ")
            return sql.SQL("(not ({}))" if wanted.negated else "({})").format(together)
        for one in joined:
            if one.embed.name == wanted.field.column and not wanted.field.steps:
                return self._emptiness(one, wanted)
        return comparison(source.alias, source.table, wanted, self._bindings)

    @staticmethod
    def _emptiness(one: _Joined, wanted: Comparison) -> sql.Composable:
        if wanted.operator != "is" or wanted.values[0] not in ("null", "not_null"):
            raise ApiError(
                400,
                "PGRST120",
                f"Bad operator on the '{one.embed.name}' embedded resource",
                "Only is null or not is null filters are allowed on embedded resources",
            )
        empty = (wanted.values[0] == "null") is not wanted.negated
        count = column(one.alias, "count")
        return sql.SQL("coalesce({}, 0) = 0" if empty else "coalesce({}, 0) > 0").format(count)

    def _tail(self, source: Source, joined: list[_Joined], path: EmbedPath) -> sql.Composable:
        tail: sql.Composable = sql.SQL("")
        if terms := self._query.orders.get(path, ()):
            rendered = [order(self._ordered(source, joined, term), term) for term in terms]
            tail = sql.SQL(" order by ") + join(rendered)
        limit = min(self._query.limits.get(path, MAX_ROWS), MAX_ROWS)
        tail = tail + sql.SQL(" limit {}").format(self._bindings.add(str(limit)))
        if offset := self._query.offsets.get(path, 0):
            tail = tail + sql.SQL(" offset {}").format(self._bindings.add(str(offset)))
        return tail

    def _ordered(self, source: Source, joined: list[_Joined], term: OrderTerm) -> sql.Composable:
        if term.relation is None:
            return field(source.alias, source.table, term.field, self._bindings)
        one = next((one for one in joined if one.embed.name == term.relation), None)
        if one is None:
            raise _not_embedded(term.relation)
        found = one.relationship
        if not found.to_one:
            raise ApiError(
                400,
                "PGRST118",
                f"A related order on '{term.relation}' is not possible",
                f"'{source.table.name}' and '{term.relation}' do not form a many-to-one or one-to-one "
                "relationship",
            )
        alias = self.alias()
        belongs = [
            sql.SQL("{} = {}").format(column(alias, there), column(source.alias, here))
            for here, there in found.pairs
        ]
        return sql.SQL("(select {} from {} as {} where {} limit 1)").format(
            field(alias, found.target, term.field, self._bindings),
            relation(found.target.name),
            sql.Identifier(alias),
            join([*belongs], " and "),
        )


def _check_paths(query: Query) -> None:
    """Every clause must belong to something that was selected."""
    known: set[EmbedPath] = {()}

    def walk(items: tuple[SelectItem, ...], path: EmbedPath) -> None:
        for item in items:
            if isinstance(item, Embed):
                known.add((*path, item.name))
                walk(item.items, (*path, item.name))

    walk(query.select, ())
    for clauses in (query.filters, query.orders, query.limits, query.offsets):
        for path in clauses:
            if path not in known:
                raise _not_embedded(".".join(path))


def _not_embedded(name: str) -> ApiError:
    return ApiError(
        400,
        "PGRST108",
        f"'{name}' is not an embedded resource in this request",
        hint=f"Verify that '{name}' is included in the 'select' query parameter.",
    )
