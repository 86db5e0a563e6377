"""Reading tables through the gateway with the unmodified client."""

from collections.abc import Callable
from typing import Any

import pytest
from postgrest.exceptions import APIError
from supabase import Client

from tests.support.gateway import RunningGateway


def ids(query: Any) -> list[int]:
    """Which incidents a query finds, in order of their ids."""
    return [row["id"] for row in query.order("id").execute().data]


def refusal(query: Any) -> APIError:
    with pytest.raises(APIError) as caught:
        query.execute()
    return caught.value


class TestSelect:
    def test_all_columns_come_as_postgres_writes_them(self, service: Client) -> None:
        row = service.table("incidents").select("*").eq("id", 1).single().execute().data

        assert row["name"] == "slow"
        assert row["at"] == "2026-01-02T03:04:05+00:00"
        assert row["context"] == {"host": "h1", "n": 1, "a": [{"b": "x"}]}
        assert row["tags"] == ["a", "b c"]
        assert row["during"] == "[1,5)"

    def test_columns_can_be_renamed_cast_and_taken_out_of_json(self, service: Client) -> None:
        columns = "title:name, level::text, context->>host, b:context->a->0->>b, at::date"
        row = service.table("incidents").select(columns).eq("id", 1).single().execute().data

        assert row == {"title": "slow", "level": "1", "host": "h1", "b": "x", "at": "2026-01-02"}

    @pytest.mark.parametrize("cast", ["double precision", "int", "bigint", "character varying"])
    def test_types_have_the_names_of_sql(self, gateway: RunningGateway, cast: str) -> None:
        # By hand: the client drops blanks.
        parameters = {"select": f"x:level::{cast}", "id": "eq.1"}
        headers = {"apikey": gateway.service_role_key}
        answer = gateway.http.get(f"{gateway.url}/rest/v1/incidents", params=parameters, headers=headers)

        assert answer.json() in ([{"x": 1}], [{"x": "1"}])

    def test_an_unknown_type_is_postgres_own_error(self, service: Client) -> None:
        assert refusal(service.table("incidents").select("level::nosuch")).code == "42704"

    def test_odd_names_are_quoted(self, service: Client) -> None:
        row = service.table("odd name").select('"a,b", "q\\"q", per:"per%cent"').single().execute().data

        assert row == {"a,b": 1, 'q"q': "quoted", "per": 7}

    def test_a_column_may_be_called_order(self, service: Client) -> None:
        assert service.table("odd name").select("order").order("order").execute().data == [{"order": 5}]

    def test_unknown_columns_and_tables_are_named(self, service: Client) -> None:
        column = refusal(service.table("incidents").select("nope"))
        table = refusal(service.table("nope").select("*"))

        assert (column.code, column.message) == ("42703", "column incidents.nope does not exist")
        assert table.code == "PGRST205"

    def test_aggregates_are_off_as_on_supabase(self, service: Client) -> None:
        assert refusal(service.table("incidents").select("level.sum()")).code == "PGRST123"
        assert refusal(service.table("incidents").select("count()")).code == "PGRST123"

    def test_nulls_can_be_stripped(self, service: Client) -> None:
        rows = service.table("incidents").select("id,at").eq("id", 3).strip_nulls().execute().data  # type: ignore[attr-defined]

        assert rows == [{"id": 3}]


FILTERS: list[tuple[Callable[[Any], Any], list[int]]] = [
    (lambda q: q.eq("name", "slow"), [1]),
    (lambda q: q.eq("name", "Ärger"), [2]),
    (lambda q: q.eq("name", 'a,b "q" (x)'), [3]),
    (lambda q: q.neq("name", "slow"), [2, 3]),
    (lambda q: q.gt("level", 1), [2]),
    (lambda q: q.gte("id", 2).lt("id", 3), [2]),
    (lambda q: q.lte("level", 1), [1]),
    (lambda q: q.like("name", "s*w"), [1]),
    (lambda q: q.ilike("name", "%ÄRGER%"), [2]),
    (lambda q: q.like_any_of("name", "s%,Ä%"), [1, 2]),
    (lambda q: q.ilike_all_of("name", "S%,%W"), [1]),
    (lambda q: q.filter("name", "match", "^s.*w$"), [1]),
    (lambda q: q.filter("name", "imatch", "^S"), [1]),
    (lambda q: q.is_("level", None), [3]),
    (lambda q: q.not_.is_("level", None), [1, 2]),
    (lambda q: q.is_("level", "not_null"), [1, 2]),
    (lambda q: q.is_("ok", True), [1]),
    (lambda q: q.in_("id", [1, 3]), [1, 3]),
    (lambda q: q.in_("name", ['a,b "q" (x)', "slow"]), [1, 3]),
    (lambda q: q.in_("id", []), []),
    (lambda q: q.in_("name", [""]), []),
    (lambda q: q.not_.in_("id", [1, 2]), [3]),
    (lambda q: q.filter("level", "isdistinct", "1"), [2, 3]),
    (lambda q: q.filter("level", "eq(any)", "{1,2}"), [1, 2]),
    (lambda q: q.contains("tags", ["b c"]), [1]),
    (lambda q: q.contained_by("tags", ["b", "z"]), [2]),
    (lambda q: q.overlaps("tags", ["a", "b"]), [1, 2]),
    (lambda q: q.contains("context", {"n": 2}), [2]),
    (lambda q: q.eq("context->>host", "h1"), [1]),
    (lambda q: q.eq("context->n", "2"), [2]),
    (lambda q: q.eq("context->a->0->>b", "x"), [1]),
    (lambda q: q.range_lt("during", (5, 9)), [1]),
    (lambda q: q.range_adjacent("during", (4, 9)), [1]),
    (lambda q: q.fts("vector", "database"), [1]),
    (lambda q: q.wfts("body", "slow -api"), [1]),
    (lambda q: q.filter("body", "plfts(english)", "databases"), [1]),
    (lambda q: q.or_("id.eq.2,level.is.null"), [2, 3]),
    (lambda q: q.or_('name.eq."a,b \\"q\\" (x)",and(id.gt.1,level.lt.5)'), [2, 3]),
    (lambda q: q.or_("not.and(id.gt.1,level.lt.5),id.eq.9").not_.or_("id.eq.3"), [1]),
    (lambda q: q.or_("tags.cs.{a,b c},id.in.(3,9)"), [1, 3]),
    (lambda q: q.or_("id.eq.1,id.eq.2").or_("id.eq.2,id.eq.3"), [2]),
    (lambda q: q.match({"id": 1, "name": "slow"}), [1]),
]


class TestFilters:
    @pytest.mark.parametrize("number", range(len(FILTERS)))
    def test_each_finds_its_rows(self, service: Client, number: int) -> None:
        narrow, expected = FILTERS[number]

        assert ids(narrow(service.table("incidents").select("id"))) == expected

    def test_eq_none_is_the_text_null(self, service: Client) -> None:
        assert ids(service.table("incidents").select("id").eq("name", None)) == []
        assert refusal(service.table("incidents").select("id").eq("level", None)).code == "22P02"

    def test_bad_filters_are_explained(self, service: Client) -> None:
        error = refusal(service.table("incidents").select("id").filter("id", "noop", "1"))

        assert error.code == "PGRST100"
        assert error.message == '"failed to parse filter (noop.1)" (line 1, column 1)'

    def test_is_takes_few_words(self, service: Client) -> None:
        assert refusal(service.table("incidents").select("id").is_("ok", "perhaps")).code == "PGRST100"


class TestOrderAndRange:
    def test_nulls_go_where_they_are_sent(self, service: Client) -> None:
        table = service.table("incidents").select("id")
        first = table.order("level", desc=True, nullsfirst=True).execute().data
        last = service.table("incidents").select("id").order("level", nullsfirst=False).execute().data

        assert [row["id"] for row in first] == [3, 2, 1]
        assert [row["id"] for row in last] == [1, 2, 3]

    def test_a_page_and_its_total(self, service: Client) -> None:
        page = service.table("incidents").select("id", count="exact").order("id").range(1, 1).execute()  # type: ignore[arg-type]

        assert [row["id"] for row in page.data] == [2]
        assert page.count == 3

    def test_no_more_than_a_thousand_rows_come(self, service: Client) -> None:
        answer = service.table("many").select("id", count="exact").limit(5000).execute()  # type: ignore[arg-type]

        assert len(answer.data) == 1000
        assert answer.count == 1500

    @pytest.mark.parametrize(
        ("query", "status", "content_range"),
        [
            ("id=lt.9", 200, "0-2/3"),
            ("id=lt.9&limit=2", 206, "0-1/3"),
            ("id=lt.9&offset=3", 206, "*/3"),
            ("id=lt.9&offset=4", 416, "*/3"),
            ("id=lt.0", 200, "*/0"),
            ("id=lt.9&limit=0", 206, "*/3"),
            ("id=lt.9&limit=nonsense", 200, "0-2/3"),
        ],
    )
    def test_status_and_content_range_tell_parts(
        self, gateway: RunningGateway, query: str, status: int, content_range: str
    ) -> None:
        headers = {"apikey": gateway.service_role_key, "Prefer": "count=exact"}
        answer = gateway.http.get(f"{gateway.url}/rest/v1/incidents?{query}", headers=headers)

        assert answer.status_code == status
        assert answer.headers["content-range"] == content_range
        if status == 416:
            assert answer.json()["code"] == "PGRST103"
            assert answer.json()["details"] == "An offset of 4 was requested, but there are only 3 rows."

    def test_a_negative_limit_is_refused(self, service: Client) -> None:
        assert refusal(service.table("incidents").select("id").limit(-1)).code == "PGRST103"

    def test_head_counts_without_rows(self, service: Client) -> None:
        answer = service.table("incidents").select("*", count="exact", head=True).execute()  # type: ignore[arg-type]

        assert answer.count == 3
        assert answer.data == []

    def test_errors_of_head_travel_in_a_header(self, service: Client) -> None:
        error = refusal(service.table("incidents").select("nope", count="exact", head=True))  # type: ignore[arg-type]

        assert error.code == "42703"


class TestSingle:
    def test_one_row_is_an_object(self, service: Client) -> None:
        assert service.table("incidents").select("id").eq("id", 2).single().execute().data == {"id": 2}

    def test_none_or_many_are_406(self, service: Client) -> None:
        error = refusal(service.table("incidents").select("id").single())

        assert (error.code, error.details) == ("PGRST116", "The result contains 3 rows")

    def test_maybe_single_finds_nothing(self, service: Client) -> None:
        assert service.table("incidents").select("id").eq("id", 99).maybe_single().execute() is None


class TestEmbedding:
    def test_a_parent_is_an_object_and_children_a_list(self, service: Client) -> None:
        rows = service.table("incidents").select("id, services(name)").order("id").execute().data
        service_rows = service.table("services").select("name, incidents(id)").order("id").execute().data

        assert rows[0] == {"id": 1, "services": {"name": "api"}}
        assert rows[2] == {"id": 3, "services": None}
        assert service_rows[2] == {"name": "idle", "incidents": []}

    def test_embeds_nest_and_take_aliases(self, service: Client) -> None:
        columns = "name, found:incidents(id, kind:incident_labels(label:labels(label)))"
        row = service.table("services").select(columns).eq("id", 2).single().execute().data

        assert row == {"name": "db", "found": [{"id": 2, "kind": [{"label": {"label": "red"}}]}]}

    def test_many_to_many_goes_through_its_join_table(self, service: Client) -> None:
        query = service.table("incidents").select("labels(label)").eq("id", 1)
        row = query.order("label", foreign_table="labels").single().execute().data

        assert row == {"labels": [{"label": "blue"}, {"label": "red"}]}

    def test_a_unique_foreign_key_gives_one_object(self, service: Client) -> None:
        rows = service.table("incidents").select("details(remark)").order("id").execute().data

        assert rows[:2] == [{"details": {"remark": "first"}}, {"details": None}]

    def test_a_self_reference_by_table_means_children_and_by_column_the_parent(self, service: Client) -> None:
        children = service.table("incidents").select("incidents(id)").eq("id", 1).single().execute().data
        parent = service.table("incidents").select("parent:parent_id(id)").eq("id", 2).single().execute().data

        assert children == {"incidents": [{"id": 2}, {"id": 3}]}
        assert parent == {"parent": {"id": 1}}

    def test_inner_drops_parents_and_filters_narrow_lists(self, service: Client) -> None:
        inner = service.table("incidents").select("id, services!inner(name)").eq("services.name", "api")
        left = service.table("incidents").select("id, services(name)").eq("services.name", "api")
        to_many = service.table("services").select("name, incidents!inner(id)").eq("incidents.id", 2)

        assert ids(inner) == [1]
        assert ids(left) == [1, 2, 3]
        assert to_many.execute().data == [{"name": "db", "incidents": [{"id": 2}]}]

    def test_counts_see_inner_embeds(self, service: Client) -> None:
        query = service.table("incidents").select("id, services!inner(name)", count="exact")  # type: ignore[arg-type]

        assert query.limit(1).execute().count == 2

    def test_emptiness_is_tested_with_is_null(self, service: Client) -> None:
        without = service.table("services").select("id, incidents()").is_("incidents", None)
        having = service.table("services").select("id, incidents()").not_.is_("incidents", None)

        assert ids(without) == [3]
        assert ids(having) == [1, 2]

    def test_an_embed_has_its_own_order_and_limit(self, service: Client) -> None:
        query = service.table("labels").select("label, incidents(id)").eq("id", 1)
        query = query.order("id", desc=True, foreign_table="incidents").limit(1, foreign_table="incidents")

        assert query.execute().data == [{"label": "red", "incidents": [{"id": 2}]}]

    def test_a_parent_can_order_its_children(self, service: Client) -> None:
        query = service.table("incidents").select("id, services(name)").order("services(name)", desc=True)
        wrong = service.table("services").select("id, incidents(id)").order("incidents(id)")

        assert [row["id"] for row in query.limit(3).execute().data] == [3, 2, 1]
        assert refusal(wrong).code == "PGRST118"

    def test_a_spread_puts_columns_beside(self, service: Client) -> None:
        query = service.table("incidents").select("id, ...services(service:name)").eq("id", 1)

        assert query.execute().data == [{"id": 1, "service": "api"}]

    def test_two_ways_are_ambiguous_until_one_is_named(self, service: Client) -> None:
        error = refusal(service.table("moves").select("services(name)"))
        by_name = service.table("moves").select("services!moves_target(name)").execute().data
        by_column = service.table("moves").select("from:source_id(name), to:services!target_id(name)")

        assert error.code == "PGRST201"
        assert by_name == [{"services": {"name": "db"}}]
        assert by_column.execute().data == [{"from": {"name": "api"}, "to": {"name": "db"}}]

    def test_what_is_not_related_or_not_selected_is_refused(self, service: Client) -> None:
        assert refusal(service.table("incidents").select("many(id)")).code == "PGRST200"
        assert refusal(service.table("incidents").select("id").eq("services.name", "x")).code == "PGRST108"
        assert refusal(service.table("incidents").select("id").eq("a.b.c", "x")).code == "PGRST108"
        wrong = service.table("incidents").select("id, services(id)").eq("services", "x")
        assert refusal(wrong).code == "PGRST120"
