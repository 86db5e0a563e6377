"""The filters of a query string: fields, operators, values, and/or trees."""

import re
from typing import Literal

from sandbox.supabase.gateway.scan import Scanner
from sandbox.supabase.gateway.tree import Comparison, Condition, Field, Junction, Step

_QUANTIFIED = ("eq", "like", "ilike", "gt", "gte", "lt", "lte", "match", "imatch")
_TEXT_SEARCH = ("fts", "plfts", "phfts", "wfts")
_OPERATORS = (
    *_QUANTIFIED, *_TEXT_SEARCH, "neq", "in", "is", "isdistinct",
    "cs", "cd", "ov", "sl", "sr", "nxl", "nxr", "adj",
)  # fmt: skip
_OPERATOR = re.compile("(" + "|".join(sorted(_OPERATORS, key=len, reverse=True)) + r")(?=[.(])")
_LOOKS_LIKE_FILTER = re.compile(r"(?:not\.)?(?:" + "|".join(_OPERATORS) + r")(?:\([^)]*\))?\.")
_CONFIG = re.compile(r"\(([\w$ .-]+)\)")
_JSON_INDEX = re.compile(r"-?[0-9]{1,9}(?=$|->|::|[:.,)])")
_JSON_KEY = re.compile(r"[^(\-:.,>)]+(?:-[^(\-:.,>)]+)*")
_LIST_ELEMENT = re.compile(r"[^,)]*")
_TREE_VALUE = re.compile(r"\{[^{}]*\}|[^,)]*")
_DEEPEST_PATH = 40
_IS = ("null", "not_null", "true", "false", "unknown")


def looks_like_filter(value: str) -> bool:
    """Whether a query value of a function called by GET is a filter rather than an argument."""
    return bool(_LOOKS_LIKE_FILTER.match(value))


def parse_field(scanner: Scanner) -> Field:
    """`column`, `column->key->>0` …"""
    column = scanner.name()
    steps: list[Step] = []
    while scanner.peek("->"):
        if len(steps) == _DEEPEST_PATH:
            scanner.fail(f"at most {_DEEPEST_PATH} JSON steps")
        arrow: Literal["->", "->>"] = "->>" if scanner.take("->>") else "->"
        if arrow == "->":
            scanner.expect("->")
        if index := scanner.match(_JSON_INDEX):
            steps.append(Step(arrow, int(index[0])))
            continue
        quoted = scanner.quoted()
        found = None if quoted is not None else scanner.match(_JSON_KEY)
        if quoted is None and not found:
            scanner.fail("a JSON key or index")
        steps.append(Step(arrow, quoted if quoted is not None else found[0] if found else ""))
    return Field(column, tuple(steps))


def parse_comparison(field: Field, text: str) -> Comparison:
    """`[not.]operator.value` of a filter of its own, whose value reaches to the end."""
    scanner = Scanner(text, "filter")
    comparison = _parse_operation(scanner, field, in_tree=False)
    scanner.end()
    return comparison


def parse_junction(kind: Literal["and", "or"], text: str, *, negated: bool) -> Junction:
    """The value of `and=` or `or=`, a list in parentheses."""
    scanner = Scanner(text, "logic tree")
    junction = Junction(kind, _parse_parts(scanner), negated)
    scanner.end()
    return junction


def _parse_parts(scanner: Scanner) -> tuple[Condition, ...]:
    scanner.open()
    parts = [_parse_part(scanner)]
    while scanner.take(","):
        parts.append(_parse_part(scanner))
    scanner.close()
    return tuple(parts)


def _parse_part(scanner: Scanner) -> Condition:
    for start, kind, negated in _JUNCTIONS:
        if scanner.peek(start + "("):
            scanner.take(start)
            return Junction(kind, _parse_parts(scanner), negated)
    field = parse_field(scanner)
    scanner.expect(".")
    return _parse_operation(scanner, field, in_tree=True)


_JUNCTIONS: tuple[tuple[str, Literal["and", "or"], bool], ...] = (
    ("and", "and", False),
    ("or", "or", False),
    ("not.and", "and", True),
    ("not.or", "or", True),
)


def _parse_operation(scanner: Scanner, field: Field, *, in_tree: bool) -> Comparison:
    negated = scanner.take("not.")
    found = scanner.match(_OPERATOR)
    if not found:
        scanner.fail("an operator: " + ", ".join(_OPERATORS))
    operator = found[1]
    quantifier: Literal["any", "all"] | None = None
    config = None
    if operator in _QUANTIFIED and scanner.peek("("):
        if scanner.take("(any)"):
            quantifier = "any"
        elif scanner.take("(all)"):
            quantifier = "all"
        else:
            scanner.fail('"(any)" or "(all)"')
    elif operator in _TEXT_SEARCH and (configured := scanner.match(_CONFIG)):
        config = configured[1]
    scanner.expect(".")
    if operator == "in":
        values = _parse_list(scanner)
    elif operator == "is":
        values = (_parse_is(scanner, in_tree=in_tree),)
    else:
        values = (_parse_value(scanner, in_tree=in_tree),)
    return Comparison(field, operator, values, negated, quantifier, config)


def _parse_value(scanner: Scanner, *, in_tree: bool) -> str:
    if not in_tree:
        value = scanner.text[scanner.position :]
        scanner.position = len(scanner.text)
        return value
    quoted = scanner.quoted()
    if quoted is not None:
        return quoted
    found = scanner.match(_TREE_VALUE)
    return found[0] if found else ""


def _parse_is(scanner: Scanner, *, in_tree: bool) -> str:
    start = scanner.position
    value = _parse_value(scanner, in_tree=in_tree).lower()
    if value not in _IS:
        scanner.position = start
        scanner.fail("null, not_null, true, false or unknown")
    return value


def _parse_list(scanner: Scanner) -> tuple[str, ...]:
    """`(a,"b,c")`; an empty list, and a list of one empty element, match nothing."""
    scanner.open()
    elements: list[str] = []
    while True:
        quoted = scanner.quoted()
        if quoted is None:
            found = scanner.match(_LIST_ELEMENT)
            elements.append(found[0] if found else "")
        else:
            elements.append(quoted)
        if not scanner.take(","):
            break
    scanner.close()
    return () if elements == [""] else tuple(elements)
