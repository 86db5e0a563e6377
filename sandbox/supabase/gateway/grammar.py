"""PostgREST's query strings, read into `tree` types. Nothing here knows SQL or the database."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal
from urllib.parse import parse_qsl

from sandbox.supabase.gateway.conditions import (
    looks_like_filter,
    parse_comparison,
    parse_field,
    parse_junction,
)
from sandbox.supabase.gateway.errors import ApiError
from sandbox.supabase.gateway.scan import Scanner
from sandbox.supabase.gateway.tree import (
    Column,
    Condition,
    Embed,
    EmbedPath,
    Field,
    OrderTerm,
    Query,
    SelectItem,
    Star,
)

_CAST = re.compile(r"[A-Za-z0-9_$ ]+")
_AGGREGATE = re.compile(r"\.?(?:count|sum|avg|max|min)\(\)")
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,18}")


def parse_query(query_string: bytes, *, with_arguments: bool = False) -> Query:
    """Reads a raw query string; `+` is a blank, everything is percent-decoded UTF-8.

    with_arguments: a function called by GET, where what does not look like a filter is an argument.
    Raises PGRST100 for what cannot be read.
    """
    pairs = parse_qsl(query_string.decode("utf-8", "replace"), keep_blank_values=True)
    if any("\0" in name or "\0" in value for name, value in pairs):
        raise ApiError(400, "22021", 'invalid byte sequence for encoding "UTF8": 0x00')
    return parse_pairs(pairs, with_arguments=with_arguments)


def parse_pairs(pairs: Iterable[tuple[str, str]], *, with_arguments: bool = False) -> Query:
    """The same for decoded names and values."""
    select: tuple[SelectItem, ...] = (Star(),)
    columns = on_conflict = None
    filters: dict[EmbedPath, list[Condition]] = defaultdict(list)
    orders: dict[EmbedPath, tuple[OrderTerm, ...]] = {}
    numbers: dict[str, dict[EmbedPath, int]] = {"limit": {}, "offset": {}}
    arguments: list[tuple[str, str]] = []
    for key, value in pairs:
        if key == "select":
            select = parse_select(value)
        elif key == "columns":
            columns = _parse_names(value, "columns parameter")
        elif key == "on_conflict":
            on_conflict = _parse_names(value, "on_conflict parameter")
        elif with_arguments and not looks_like_filter(value) and not _names_a_clause(key):
            arguments.append((key, value))
        else:
            path, field = _parse_key(key)
            clause = field.column
            if not _names_a_clause(key):
                filters[path].append(parse_comparison(field, value))
            elif clause == "order":
                orders[path] = parse_order(value)
            elif clause in numbers:
                if _WHOLE_NUMBER.fullmatch(value):
                    numbers[clause][path] = int(value)
            else:
                negated = bool(path) and path[-1] == "not"
                kind: Literal["and", "or"] = "and" if clause == "and" else "or"
                filters[path[:-1] if negated else path].append(parse_junction(kind, value, negated=negated))
    return Query(
        select=select,
        filters={path: tuple(conditions) for path, conditions in filters.items()},
        orders=orders,
        limits=_checked(numbers["limit"]),
        offsets={path: max(offset, 0) for path, offset in numbers["offset"].items()},
        columns=columns,
        on_conflict=on_conflict,
        arguments=tuple(arguments),
    )


def parse_select(text: str) -> tuple[SelectItem, ...]:
    """The value of `select=`."""
    scanner = Scanner(text, "select parameter")
    items = _parse_items(scanner) if text else (Star(),)
    scanner.end()
    return items


def parse_order(text: str) -> tuple[OrderTerm, ...]:
    """The value of `order=`."""
    scanner = Scanner(text, "order")
    terms = [_parse_order_term(scanner)]
    while scanner.take(","):
        terms.append(_parse_order_term(scanner))
    scanner.end()
    return tuple(terms)


def _names_a_clause(key: str) -> bool:
    return key.rpartition(".")[2] in ("order", "limit", "offset", "and", "or")


def _checked(limits: dict[EmbedPath, int]) -> dict[EmbedPath, int]:
    if any(limit < 0 for limit in limits.values()):
        raise ApiError(
            416,
            "PGRST103",
            "Requested range not satisfiable",
            "Limit should be greater than or equal to zero.",
        )
    return limits


def _parse_key(key: str) -> tuple[EmbedPath, Field]:
    scanner = Scanner(key, "tree path")
    path: list[str] = []
    field = parse_field(scanner)
    while not field.steps and scanner.take("."):
        path.append(field.column)
        field = parse_field(scanner)
    scanner.end()
    return tuple(path), field


def _parse_names(text: str, clause: str) -> tuple[str, ...]:
    scanner = Scanner(text, clause)
    names = [scanner.name()]
    while scanner.take(","):
        names.append(scanner.name())
    scanner.end()
    return tuple(dict.fromkeys(names))


def _parse_items(scanner: Scanner) -> tuple[SelectItem, ...]:
    items = [_parse_item(scanner)]
    while scanner.take(","):
        items.append(_parse_item(scanner))
    return tuple(items)


def _parse_item(scanner: Scanner) -> SelectItem:
    if scanner.take("..."):
        return _parse_embed(scanner, scanner.name(), None, spread=True)
    if scanner.take("*"):
        return Star()
    _refuse_aggregate(scanner)
    start = scanner.position
    alias: str | None = scanner.name()
    if scanner.peek("::") or not scanner.take(":"):
        alias = None
        scanner.position = start
    else:
        _refuse_aggregate(scanner)
    start = scanner.position
    name = scanner.name()
    if scanner.peek("(") or scanner.peek("!"):
        return _parse_embed(scanner, name, alias, spread=False)
    scanner.position = start
    field = parse_field(scanner)
    cast = None
    if scanner.take("::"):
        found = scanner.match(_CAST)
        if not found:
            scanner.fail("a type name")
        cast = found[0].strip()
    _refuse_aggregate(scanner)
    return Column(field, alias, cast)


def _refuse_aggregate(scanner: Scanner) -> None:
    """Supabase has them off by default."""
    if scanner.match(_AGGREGATE):
        raise ApiError(400, "PGRST123", "Use of aggregate functions is not allowed")


def _parse_embed(scanner: Scanner, relation: str, alias: str | None, *, spread: bool) -> Embed:
    hint, inner = None, False
    while scanner.take("!"):
        word = scanner.name()
        if word == "inner":
            inner = True
        elif word != "left":
            hint = word
    scanner.open()
    items: Sequence[SelectItem] = () if scanner.peek(")") else _parse_items(scanner)
    scanner.close()
    return Embed(relation, tuple(items), alias, hint, inner, spread)


def _parse_order_term(scanner: Scanner) -> OrderTerm:
    relation = None
    field = parse_field(scanner)
    if scanner.peek("(") and not field.steps:
        scanner.open()
        relation, field = field.column, parse_field(scanner)
        scanner.close()
    descending = scanner.take(".desc") or (scanner.take(".asc") and False)
    nulls: Literal["first", "last"] | None = None
    if scanner.take(".nullsfirst"):
        nulls = "first"
    elif scanner.take(".nullslast"):
        nulls = "last"
    if not scanner.at_end and not scanner.peek(","):
        scanner.fail('".asc", ".desc", ".nullsfirst", ".nullslast", "," or end of input')
    return OrderTerm(field, relation, descending, nulls)
