"""Which foreign key an embedded relation means."""

from collections.abc import Iterator
from dataclasses import dataclass

from sandbox.supabase.gateway.catalogue import Catalogue, ForeignKey, Table
from sandbox.supabase.gateway.errors import ApiError


@dataclass(frozen=True)
class Relationship:
    """How rows of `target` belong to a row of the parent.

    pairs: (parent column, target column) that must be equal; with a `junction` table in between,
    (parent column, junction column), and `junction_pairs` has (junction column, target column).
    """

    kind: str
    name: str
    parent: str
    target: Table
    to_one: bool
    pairs: tuple[tuple[str, str], ...]
    junction: str | None = None
    junction_pairs: tuple[tuple[str, str], ...] = ()
    called: frozenset[str] = frozenset()
    hints: frozenset[str] = frozenset()

    @property
    def parent_columns(self) -> tuple[str, ...]:
        return tuple(parent for parent, _ in self.pairs)


def find_relationship(catalogue: Catalogue, parent: Table, name: str, hint: str | None) -> Relationship:
    """The one relationship of `parent` that `name` and `hint` mean.

    Raises PGRST200 if there is none, PGRST201 if there are several.
    """
    found = [
        one
        for one in _relationships(catalogue, parent)
        if name in one.called and (hint is None or hint in one.hints)
    ]
    if len(found) == 1:
        return found[0]
    if not found:
        with_hint = f" using the hint '{hint}'" if hint else ""
        raise ApiError(
            400,
            "PGRST200",
            f"Could not find a relationship between '{parent.name}' and '{name}' in the schema cache",
            f"Searched for a foreign key relationship between '{parent.name}' and '{name}'{with_hint} "
            "in the schema 'public', but no matches were found.",
        )
    choices = ", ".join(f"'{name}!{one.name}'" for one in found)
    raise ApiError(
        300,
        "PGRST201",
        f"Could not embed because more than one relationship was found for '{parent.name}' and '{name}'",
        [
            {
                "cardinality": one.kind,
                "embedding": f"{parent.name} with {one.target.name}",
                "relationship": one.name,
            }
            for one in found
        ],
        f"Try changing '{name}' to one of the following: {choices}. "
        "Find the desired relationship in the 'details' key.",
    )


def _relationships(catalogue: Catalogue, parent: Table) -> Iterator[Relationship]:
    for key in catalogue.foreign_keys:
        if key.table == parent.name:
            yield _to_one(catalogue, key)
        if key.target == parent.name:
            yield _to_children(catalogue, key)
    yield from _through_junctions(catalogue, parent)


def _to_one(catalogue: Catalogue, key: ForeignKey) -> Relationship:
    columns = frozenset(key.columns) if len(key.columns) == 1 else frozenset()
    # A self reference by its table's name means the children.
    tables = frozenset() if key.table == key.target else frozenset({key.target})
    return Relationship(
        kind="many-to-one",
        name=key.name,
        parent=key.table,
        target=catalogue.tables[key.target],
        to_one=True,
        pairs=tuple(zip(key.columns, key.target_columns, strict=True)),
        called=frozenset({key.name}) | columns | tables,
        hints=frozenset({key.name}) | columns,
    )


def _to_children(catalogue: Catalogue, key: ForeignKey) -> Relationship:
    child = catalogue.tables[key.table]
    at_most_one = any(unique <= frozenset(key.columns) for unique in child.keys)
    columns = frozenset(key.columns) if len(key.columns) == 1 else frozenset()
    own = frozenset() if key.table == key.target else frozenset({key.name})
    return Relationship(
        kind="one-to-one" if at_most_one else "one-to-many",
        name=key.name,
        parent=key.target,
        target=child,
        to_one=at_most_one,
        pairs=tuple(zip(key.target_columns, key.columns, strict=True)),
        called=frozenset({key.table}) | own,
        hints=frozenset({key.name}) | columns,
    )


def _through_junctions(catalogue: Catalogue, parent: Table) -> Iterator[Relationship]:
    for near in catalogue.foreign_keys:
        if near.target != parent.name:
            continue
        junction = catalogue.tables[near.table]
        for far in catalogue.foreign_keys:
            both = frozenset(near.columns) | frozenset(far.columns)
            if far.table != near.table or far is near or not both <= frozenset(junction.primary_key):
                continue
            yield Relationship(
                kind="many-to-many",
                name=junction.name,
                parent=parent.name,
                target=catalogue.tables[far.target],
                to_one=False,
                pairs=tuple(zip(near.target_columns, near.columns, strict=True)),
                junction=junction.name,
                junction_pairs=tuple(zip(far.columns, far.target_columns, strict=True)),
                called=frozenset({far.target}),
                hints=frozenset({junction.name, near.name, far.name}),
            )
