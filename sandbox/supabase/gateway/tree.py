"""What a query string means, as types: the grammar makes these, the SQL modules read them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

EmbedPath = tuple[str, ...]
"""Which embedded relation a clause belongs to, from the outside in; `()` is the table itself."""


@dataclass(frozen=True)
class Step:
    """One `->` or `->>` into a JSON value; a whole number is an array index."""

    arrow: Literal["->", "->>"]
    key: str | int


@dataclass(frozen=True)
class Field:
    """A column, or a place inside its JSON."""

    column: str
    steps: tuple[Step, ...] = ()

    @property
    def result_name(self) -> str:
        """Under which name it is answered when no alias was given."""
        keys = [step.key for step in self.steps if isinstance(step.key, str)]
        return keys[-1] if keys else self.column


@dataclass(frozen=True)
class Star:
    """All columns."""


@dataclass(frozen=True)
class Column:
    field: Field
    alias: str | None = None
    cast: str | None = None


@dataclass(frozen=True)
class Embed:
    """A related table inside the answer."""

    relation: str
    items: tuple["SelectItem", ...]
    alias: str | None = None
    hint: str | None = None
    inner: bool = False
    spread: bool = False

    @property
    def name(self) -> str:
        return self.alias or self.relation


SelectItem = Star | Column | Embed


@dataclass(frozen=True)
class Comparison:
    """`column=[not.]operator.value`.

    `values` holds one value, or for `in` any number. `quantifier` is any or all, `config` a text search
    configuration.
    """

    field: Field
    operator: str
    values: tuple[str, ...]
    negated: bool = False
    quantifier: Literal["any", "all"] | None = None
    config: str | None = None


@dataclass(frozen=True)
class Junction:
    """`and=(…)` or `or=(…)`."""

    kind: Literal["and", "or"]
    parts: tuple["Condition", ...]
    negated: bool = False


Condition = Comparison | Junction


@dataclass(frozen=True)
class OrderTerm:
    """One term of `order`; `relation` names a to-one embed whose column decides."""

    field: Field
    relation: str | None = None
    descending: bool = False
    nulls: Literal["first", "last"] | None = None


@dataclass(frozen=True)
class Query:
    """A whole query string. `arguments` are the parameters of a function called by GET."""

    select: tuple[SelectItem, ...] = (Star(),)
    filters: Mapping[EmbedPath, tuple[Condition, ...]] = field(default_factory=dict)
    orders: Mapping[EmbedPath, tuple[OrderTerm, ...]] = field(default_factory=dict)
    limits: Mapping[EmbedPath, int] = field(default_factory=dict)
    offsets: Mapping[EmbedPath, int] = field(default_factory=dict)
    columns: tuple[str, ...] | None = None
    on_conflict: tuple[str, ...] | None = None
    arguments: tuple[tuple[str, str], ...] = ()
