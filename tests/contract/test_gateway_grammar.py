"""Query strings, without a database: those that the client was recorded to send, and those nobody should."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.supabase.gateway.errors import ApiError
from sandbox.supabase.gateway.grammar import parse_order, parse_pairs, parse_query, parse_select
from sandbox.supabase.gateway.tree import Column, Comparison, Embed, Field, Junction, OrderTerm, Star, Step

RECORDED = json.loads(
    (Path(__file__).parent / "recordings" / "supabase-queries.json").read_text(encoding="utf-8")
)


def only_filter(query: str) -> Any:
    ((condition,),) = parse_query(query.encode()).filters.values()
    return condition


@pytest.mark.parametrize("request_", RECORDED, ids=lambda one: one["query"][:60])
def test_every_recorded_query_is_read(request_: dict[str, str]) -> None:
    by_get = "/rpc/" in request_["path"] and request_["method"] != "POST"
    if "count()" in request_["call"]:
        with pytest.raises(ApiError, match="PGRST123"):
            parse_query(request_["query"].encode())
        return
    query = parse_query(request_["query"].encode(), with_arguments=by_get)

    assert bool(query.arguments) == by_get


def test_select_reads_aliases_casts_json_and_embeds() -> None:
    text = "*,title:name,at::date,context->a->0->>b,svc:services!fk!inner(name,owner:profiles()),...x(*)"

    assert parse_select(text) == (
        Star(),
        Column(Field("name"), "title"),
        Column(Field("at"), None, "date"),
        Column(Field("context", (Step("->", "a"), Step("->", 0), Step("->>", "b")))),
        Embed("services", (Column(Field("name")), Embed("profiles", (), "owner")), "svc", "fk", True),
        Embed("x", (Star(),), spread=True),
    )


def test_order_reads_directions_nulls_and_relations() -> None:
    assert parse_order("a.desc.nullsfirst,b,services(c->>d).asc.nullslast") == (
        OrderTerm(Field("a"), None, True, "first"),
        OrderTerm(Field("b")),
        OrderTerm(Field("c", (Step("->>", "d"),)), "services", False, "last"),
    )


def test_plus_is_a_blank_and_bytes_are_utf8() -> None:
    assert only_filter("odd+col=eq.a+b%2Bc%C3%BC").values == ("a b+cü",)
    assert only_filter("odd+col=eq.1").field == Field("odd col")


def test_quotes_belong_to_a_plain_value_and_not_to_one_in_a_tree() -> None:
    assert only_filter('a=eq."x"').values == ('"x"',)
    assert only_filter('or=(a.eq."x,\\"y)")').parts[0].values == ('x,"y)',)


def test_trees_nest_and_keep_brace_arrays_whole() -> None:
    found = only_filter("s.not.or=(a.cs.{1,2},not.and(b.is.NULL,c.not.in.(1,2)))")

    assert found == Junction(
        "or",
        (
            Comparison(Field("a"), "cs", ("{1,2}",)),
            Junction(
                "and",
                (Comparison(Field("b"), "is", ("null",)), Comparison(Field("c"), "in", ("1", "2"), True)),
                True,
            ),
        ),
        True,
    )


def test_clauses_belong_to_their_embeds() -> None:
    query = parse_query(b"a.b.order=x.desc&a.limit=3&limit=5&a.offset=1&a.b.c=eq.1")

    assert dict(query.limits) == {("a",): 3, (): 5}
    assert dict(query.offsets) == {("a",): 1}
    assert list(query.orders) == [("a", "b")]
    assert list(query.filters) == [("a", "b")]


def test_arguments_are_what_does_not_look_like_a_filter() -> None:
    query = parse_query(b"a=1&b=%7B1,2%7D&c=eq.1&d=&order=a&e=is.null", with_arguments=True)

    assert query.arguments == (("a", "1"), ("b", "{1,2}"), ("d", ""))


@pytest.mark.parametrize(
    "query",
    [
        "a=noop.1", "a=eq", "a=1", "a=is.maybe", "a=in.1", "a=in.(1", "a=in.(1)x", "or=a.eq.1", "or=(a.eq.1",
        "or=()", "or=(a.eq.1)x", "select=a(", "select=a)", "select=a,", "select=a::", "select=,",
        "select=a->", "select=a::int;drop", "order=a.up", "order=a.nullsfirst.desc", "order=", "columns=a,,b",
        "=eq.1", "a.=eq.1", "a;b=eq.1", "a=eq(some).1", "a=neq(any).1", "select=*x",
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_pgrst100(query: str) -> None:
    with pytest.raises(ApiError) as refused:
        parse_query(query.encode())

    assert (refused.value.status, refused.value.code) == (400, "PGRST100")
    assert refused.value.message.startswith('"failed to parse ')
    assert str(refused.value.details).startswith("unexpected ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("or", "(" * 3000),
        ("or", "(" + "and(" * 3000),
        ("or", "(" + "a.eq.1,or(" * 3000),
        ("select", "x(" * 3000),
        ("select", "a" + "->b" * 3000),
        ("order", "a" + "->0" * 3000),
        ("a" + "->b" * 3000, "eq.1"),
    ],
    ids=range(7),
)
def test_depth_is_bounded(name: str, value: str) -> None:
    with pytest.raises(ApiError):
        parse_pairs([(name, value)])


def test_nul_is_refused() -> None:
    for query in (b"a=eq.%00", b"a%00=eq.1", b"select=%22a%00%22"):
        with pytest.raises(ApiError, match="22021"):
            parse_query(query)


PIECES = st.lists(
    st.sampled_from(
        [*"abc0*,.:()\"\\{}->!;' ", "->>", "::", "eq.", "in.", "not.", "or(", "and(", "is.", "..."]
    )
    | st.characters(),
    max_size=30,
).map("".join)


CLAUSES = st.sampled_from(["select", "order", "or", "a.and", "columns"]) | PIECES


@given(st.lists(st.tuples(CLAUSES, PIECES), max_size=4))
def test_anything_is_either_read_or_refused(pairs: list[tuple[str, str]]) -> None:
    refusal = None
    try:
        parse_pairs(pairs)
    except ApiError as error:
        refusal = error
    if refusal is not None:
        assert refusal.status in (400, 416)
        assert refusal.response().body
