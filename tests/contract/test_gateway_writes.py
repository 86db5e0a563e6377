"""Writing through the gateway with the unmodified client."""

from collections.abc import Iterator
from typing import Any

import pytest
from postgrest.exceptions import APIError
from supabase import Client

from tests.support.gateway import RunningGateway
from tests.support.postgres import Database


@pytest.fixture(autouse=True)
def _tidy(gateway_database: Database) -> Iterator[None]:
    """Rows of these tests have ids from 10, or belong to `inbox`."""
    yield
    with gateway_database.connect("supabase_admin") as connection:
        connection.execute("delete from incidents where id >= 10")
        connection.execute("delete from services where id >= 10")
        connection.execute("delete from inbox")
        connection.execute("update incidents set note = 'none'")


def refusal(query: Any) -> APIError:
    with pytest.raises(APIError) as caught:
        query.execute()
    return caught.value


def send(
    gateway: RunningGateway, method: str, path: str, prefer: str = "", **arguments: Any
) -> "tuple[int, Any, Any]":
    """Status, headers and text of a request with the service key."""
    headers = {"apikey": gateway.service_role_key, "Prefer": prefer, "Content-Type": "application/json"}
    answer = gateway.http.request(method, f"{gateway.url}/rest/v1/{path}", headers=headers, **arguments)
    return answer.status_code, answer.headers, answer.text


class TestInsert:
    def test_absent_columns_take_their_defaults(self, service: Client) -> None:
        row = service.table("incidents").insert({"id": 10, "tags": ["x"]}).execute().data[0]

        assert (row["name"], row["note"], row["tags"]) == ("unnamed", "none", ["x"])

    def test_nothing_but_defaults_can_be_inserted(self, service: Client) -> None:
        assert service.table("incidents").insert({}).execute().data[0]["name"] == "unnamed"

    def test_rows_of_several_shapes_get_null_unless_defaults_are_wanted(self, service: Client) -> None:
        rows = [{"id": 10, "name": "n", "note": "x"}, {"id": 11, "name": "m"}]
        plain = service.table("incidents").insert(rows).execute().data
        service.table("incidents").delete().gte("id", 10).execute()
        kept = service.table("incidents").insert(rows, default_to_null=False).execute().data

        assert [row["note"] for row in plain] == ["x", None]
        assert [row["note"] for row in kept] == ["x", "none"]

    def test_generated_ids_are_kept_with_missing_default(self, service: Client) -> None:
        rows = [{"words": "a"}, {"words": "b", "id": None}]
        error = refusal(service.table("inbox").insert(rows, default_to_null=False))

        assert error.code == "428C9"

    def test_an_empty_list_inserts_nothing(self, service: Client) -> None:
        assert service.table("incidents").insert([]).execute().data == []

    def test_unequal_keys_without_columns_are_refused(self, gateway: RunningGateway) -> None:
        status, _, text = send(gateway, "POST", "incidents", json=[{"id": 10}, {"name": "x"}])

        assert (status, "All object keys must match" in text) == (400, True)

    @pytest.mark.parametrize("body", ["", "{", "1", '"x"', "[1]", '{"level": NaN}', "[" * 5000])
    def test_what_is_no_json_object_is_refused(self, gateway: RunningGateway, body: str) -> None:
        status, headers, text = send(gateway, "POST", "incidents", content=body)

        assert (status, headers["proxy-status"]) == (400, "PostgREST; error=PGRST102"), text

    def test_unknown_columns_are_named(self, service: Client) -> None:
        assert refusal(service.table("incidents").insert({"nope": 1})).code == "PGRST204"

    def test_minimal_needs_no_right_to_read(self, service: Client) -> None:
        written = service.table("inbox").insert({"words": "w"}, returning="minimal").execute()  # type: ignore[arg-type]

        assert written.data == []
        assert refusal(service.table("inbox").insert({"words": "w"})).code == "42501"

    def test_minimal_is_201_without_a_body(self, gateway: RunningGateway) -> None:
        status, headers, text = send(
            gateway, "POST", "incidents", "return=minimal,count=exact", json={"id": 10}
        )

        assert (status, text, headers["content-length"]) == (201, "", "0")
        assert headers["content-range"] == "*/1"
        assert headers["preference-applied"] == "return=minimal, count=exact"
        assert "content-type" not in headers

    def test_constraints_answer_409_and_400(self, gateway: RunningGateway) -> None:
        assert send(gateway, "POST", "incidents", json={"id": 1})[0] == 409
        assert send(gateway, "POST", "incidents", json={"service_id": 99})[0] == 409
        assert send(gateway, "POST", "inbox", json={"words": "bad"})[0] == 400
        assert send(gateway, "POST", "incidents", json={"name": None})[0] == 400

    def test_numbers_and_text_arrive_exactly(self, service: Client) -> None:
        text = 'quote " backslash \\ percent %s $1 {} newline \n ü \U0001f600'
        row = {"id": 9007199254740993, "name": text, "context": {"n": 12345678901234567890, "t": text}}
        back = service.table("incidents").insert(row).execute().data[0]

        assert (back["id"], back["name"], back["context"]) == (row["id"], text, row["context"])

    def test_the_answer_can_embed_and_choose(self, gateway: RunningGateway) -> None:
        path = "incidents?select=id,services(name)"
        body = {"id": 10, "service_id": 2}
        status, _, text = send(gateway, "POST", path, "return=representation", json=body)

        assert (status, text) == (201, '[{"id":10,"services":{"name":"db"}}]')


class TestUpsert:
    def test_a_merge_changes_only_the_given_columns(self, service: Client) -> None:
        service.table("services").insert({"id": 10, "name": "x", "tier": 7}).execute()
        rows = service.table("services").upsert({"id": 10, "name": "y"}).execute().data

        assert rows == [{"id": 10, "name": "y", "tier": 7}]

    def test_the_conflict_may_be_on_other_columns(self, service: Client) -> None:
        service.table("incidents").insert({"id": 10, "name": "n", "level": 1, "note": "old"}).execute()
        row = {"name": "n", "level": 1, "note": "new"}
        back = service.table("incidents").upsert(row, on_conflict="name,level").execute().data

        assert [(one["id"], one["note"]) for one in back] == [(10, "new")]

    def test_ignored_duplicates_are_not_answered(self, service: Client) -> None:
        rows = [{"id": 1, "name": "other"}, {"id": 10, "name": "ten"}]
        back = service.table("services").upsert(rows, ignore_duplicates=True).execute().data

        assert back == [{"id": 10, "name": "ten", "tier": None}]

    @pytest.mark.parametrize(
        ("rows", "status"),
        [
            ([{"id": 1, "name": "api"}], 200),
            ([{"id": 1, "name": "api"}, {"id": 10, "name": "x"}], 201),
            ([{"id": 10, "name": "x"}], 201),
            ([], 200),
        ],
    )
    @pytest.mark.parametrize("returning", ["minimal", "representation"])
    def test_201_means_that_something_was_new(
        self, gateway: RunningGateway, rows: Any, status: int, returning: str
    ) -> None:
        prefer = f"return={returning},resolution=merge-duplicates"

        assert send(gateway, "POST", "services", prefer, json=rows)[0] == status


class TestUpdate:
    def test_matching_rows_change_and_come_back(self, service: Client) -> None:
        rows = service.table("incidents").update({"note": "seen"}).lte("id", 2).execute().data

        assert sorted(row["id"] for row in rows) == [1, 2]
        assert {row["note"] for row in rows} == {"seen"}

    def test_none_matching_is_an_empty_list(self, service: Client) -> None:
        assert service.table("incidents").update({"note": "seen"}).eq("id", 99).execute().data == []

    def test_nothing_to_change_changes_nothing(self, service: Client, gateway: RunningGateway) -> None:
        assert service.table("incidents").update({}).eq("id", 1).execute().data == []
        assert send(gateway, "PATCH", "incidents?id=eq.1", json={})[0] == 204

    def test_limit_does_not_limit_a_write(self, gateway: RunningGateway) -> None:
        path = "incidents?id=lt.9&order=id.asc&limit=1"
        status, headers, _ = send(gateway, "PATCH", path, "return=representation", json={"note": "all"})

        assert (status, headers["content-range"]) == (200, "0-2/*")

    def test_columns_can_be_named_in_any_order(self, gateway: RunningGateway) -> None:
        path = 'incidents?id=eq.1&columns="note","level"&select=note,level'
        body = {"level": 1, "note": "n", "nope": 5}
        _, _, text = send(gateway, "PATCH", path, "return=representation", json=body)

        assert text == '[{"note":"n","level":1}]'

    def test_minimal_is_204(self, gateway: RunningGateway) -> None:
        status, headers, text = send(gateway, "PATCH", "incidents?id=eq.1", json={"note": "x"})

        assert (status, text) == (204, "")
        assert "content-type" not in headers

    def test_too_many_rows_are_rolled_back(self, service: Client) -> None:
        query = service.table("incidents").update({"note": "x"}).lt("id", 9).max_affected(2)
        error = refusal(query)
        notes = service.table("incidents").select("note").lt("id", 9).execute().data

        assert error.code == "PGRST124"
        assert {row["note"] for row in notes} == {"none"}

    def test_a_single_answer_of_many_rows_is_rolled_back(
        self, service: Client, gateway: RunningGateway
    ) -> None:
        headers = {
            "apikey": gateway.service_role_key,
            "Accept": "application/vnd.pgrst.object+json",
            "Prefer": "return=representation",
        }
        url = f"{gateway.url}/rest/v1/incidents?id=lt.9"
        answer = gateway.http.patch(url, headers=headers, json={"note": "x"})
        notes = service.table("incidents").select("note").lt("id", 9).execute().data

        assert (answer.status_code, answer.json()["code"]) == (406, "PGRST116")
        assert {row["note"] for row in notes} == {"none"}


class TestDelete:
    def test_deleted_rows_come_back(self, service: Client) -> None:
        service.table("incidents").insert({"id": 10}).execute()
        rows = service.table("incidents").delete(count="exact").eq("id", 10).execute()  # type: ignore[arg-type]

        assert [row["id"] for row in rows.data] == [10]
        assert rows.count == 1

    @pytest.mark.parametrize("method", ["PATCH", "DELETE"])
    def test_without_a_filter_it_is_refused_as_on_supabase(
        self, gateway: RunningGateway, method: str
    ) -> None:
        status, headers, text = send(gateway, method, "incidents?limit=1", json={"note": "x"})

        assert (status, headers["proxy-status"]) == (400, "PostgREST; error=21000")
        assert "requires a WHERE clause" in text


class TestPreferences:
    def test_strict_handling_refuses_unknown_ones(self, gateway: RunningGateway) -> None:
        status, headers, text = send(gateway, "GET", "incidents", "handling=strict,anything=x")

        assert (status, headers["proxy-status"]) == (400, "PostgREST; error=PGRST122")
        assert "anything=x" in text

    def test_lenient_handling_ignores_them(self, gateway: RunningGateway) -> None:
        assert send(gateway, "GET", "incidents", "anything=x")[0] == 200
