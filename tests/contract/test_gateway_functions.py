"""Calling functions through the gateway with the unmodified client."""

import json
from typing import Any

import pytest
from postgrest.exceptions import APIError
from supabase import Client

from tests.support.gateway import RunningGateway


def refusal(query: Any) -> APIError:
    with pytest.raises(APIError) as caught:
        query.execute()
    return caught.value


def call(gateway: RunningGateway, function: str, body: Any, accept: str = "*/*") -> Any:
    headers = {"apikey": gateway.service_role_key, "Accept": accept}
    return gateway.http.post(f"{gateway.url}/rest/v1/rpc/{function}", headers=headers, json=body)


class TestResults:
    def test_a_scalar_is_a_bare_value(self, service: Client) -> None:
        assert service.rpc("add", {"a": 1, "b": 5}).execute().data == 6
        assert service.rpc("absent").execute().data is None

    def test_json_passes_through_as_it_was_written(self, gateway: RunningGateway) -> None:
        payload = '{"b": 1,  "a": [1, 2.50], "a": null}'
        headers = {"apikey": gateway.service_role_key, "Content-Type": "application/json"}
        url = f"{gateway.url}/rest/v1/rpc/echo"
        answer = gateway.http.post(url, headers=headers, content='{"payload": ' + payload + "}")

        assert answer.text == payload

    def test_void_is_204_without_type(self, gateway: RunningGateway, service: Client) -> None:
        answer = call(gateway, "nothing", {})

        assert (answer.status_code, answer.text) == (204, "")
        assert "content-type" not in answer.headers
        assert service.rpc("nothing").execute().data == []

    def test_a_composite_is_an_object_and_sets_are_lists(self, service: Client) -> None:
        assert service.rpc("one_incident", {"wanted": 2}).execute().data["name"] == "Ärger"
        assert service.rpc("table_of", {"n": 2}).execute().data == [{"x": 1, "y": "y1"}, {"x": 2, "y": "y2"}]
        assert service.rpc("numbers", {"n": 3}).execute().data == [1, 2, 3]
        assert service.rpc("numbers", {"n": 0}).execute().data == []

    def test_rows_can_be_filtered_ordered_cut_and_embedded(self, service: Client) -> None:
        rows = service.rpc("all_incidents").select("id, services(name)").lt("id", 9).order("id", desc=True)
        some = service.rpc("table_of", {"n": 9}, count="exact").gt("x", 3).limit(2).order("x").execute()  # type: ignore[arg-type]

        assert rows.limit(2).execute().data == [  # type: ignore[attr-defined]
            {"id": 3, "services": None},
            {"id": 2, "services": {"name": "db"}},
        ]
        assert [row["x"] for row in some.data] == [4, 5]
        assert some.count == 6

    def test_one_row_of_a_set_can_be_asked_for(self, gateway: RunningGateway) -> None:
        accept = "application/vnd.pgrst.object+json"

        assert call(gateway, "table_of", {"n": 1}, accept).json() == {"x": 1, "y": "y1"}
        assert call(gateway, "table_of", {"n": 2}, accept).status_code == 406

    def test_no_more_than_a_thousand_rows_come(self, service: Client) -> None:
        assert len(service.rpc("numbers", {"n": 1200}).execute().data) == 1000

    def test_a_function_can_set_status_and_headers(self, gateway: RunningGateway) -> None:
        answer = call(gateway, "teapot", {})

        assert (answer.status_code, answer.json()) == (418, "short and stout")
        assert answer.headers["x-tea"] == "green"
        assert answer.headers["set-cookie"] == "a=b"

    def test_a_header_cannot_become_two(self, gateway: RunningGateway) -> None:
        answer = call(gateway, "two_headers", {})

        assert (answer.status_code, answer.json()["code"]) == (500, "PGRST111")
        assert "x-evil" not in answer.headers


class TestArguments:
    def test_values_take_the_types_of_the_arguments(self, service: Client) -> None:
        given = {"i": 1, "words": ["a", "b c"], "b": True, "j": {"k": [1, None]}}

        assert service.rpc("kinds", given).execute().data == given

    def test_optional_ones_may_be_left_out_and_null_is_null(self, service: Client) -> None:
        answer = service.rpc("kinds", {"i": 1, "words": None}).execute().data

        assert answer == {"i": 1, "words": None, "b": None, "j": {}}

    def test_get_takes_them_from_the_query(self, service: Client) -> None:
        given = {"i": 1, "words": ["a", "b"], "b": True, "j": {"k": 1}}

        assert service.rpc("kinds", given, get=True).execute().data == given

    def test_a_set_of_names_that_fits_none_is_404(self, service: Client) -> None:
        error = refusal(service.rpc("add", {"a": 1, "c": 2}))

        assert error.code == "PGRST202"
        assert error.message == "Could not find the function public.add(a, c) in the schema cache"
        assert refusal(service.rpc("add")).code == "PGRST202"
        assert refusal(service.rpc("set_config", {"a": 1})).code == "PGRST202"

    def test_one_unnamed_json_argument_takes_the_whole_body(self, service: Client) -> None:
        assert service.rpc("whole", {"k": "v"}).execute().data == "v"

    def test_two_that_fit_are_ambiguous(self, gateway: RunningGateway) -> None:
        answer = call(gateway, "twice", {"a": 1})

        assert (answer.status_code, answer.json()["code"]) == (300, "PGRST203")

    def test_a_wrong_type_is_postgres_own_error(self, service: Client) -> None:
        assert refusal(service.rpc("add", {"a": "x"})).code == "22P02"


class TestTransactions:
    def test_the_database_sees_who_asks_and_what(self, gateway: RunningGateway, service: Client) -> None:
        seen = service.rpc("who").execute().data

        assert seen["role"] == "service_role"
        assert seen["claims"]["role"] == "service_role"
        assert (seen["method"], seen["path"]) == ("POST", "/rpc/who")
        assert (seen["read_only"], seen["timeout"]) == ("on", "8s")
        assert gateway.client().rpc("who").execute().data["timeout"] == "3s"

    def test_stable_functions_and_get_are_read_only(self, gateway: RunningGateway, service: Client) -> None:
        answer = call(gateway, "writes_though_stable", {})

        assert (answer.status_code, answer.json()["code"]) == (405, "25006")
        assert refusal(service.rpc("writes", get=True)).code == "25006"

    def test_a_slow_statement_is_stopped_at_the_limit_of_its_role(self, gateway: RunningGateway) -> None:
        error = refusal(gateway.client().rpc("wait_for", {"seconds": 20}))

        assert error.code == "57014"


class TestRaised:
    @pytest.mark.parametrize(
        ("state", "status"),
        [
            ("PT403", 403),
            ("PT409", 409),
            ("PT422", 422),
            ("P0001", 400),
            ("P0002", 500),
            ("42501", 403),
            ("42883", 404),
            ("23505", 409),
            ("22023", 400),
            ("40001", 500),
            ("53100", 503),
            ("53400", 500),
            ("28000", 403),
            ("54000", 500),
            ("XX000", 500),
        ],
    )
    def test_sqlstates_become_statuses_and_texts_pass_through(
        self, gateway: RunningGateway, state: str, status: int
    ) -> None:
        raised = {"state": state, "message": "No.", "detail": '{"code": "x"}', "hint": "Ask."}
        answer = call(gateway, "complain", raised)

        assert answer.status_code == status
        assert answer.json() == {"code": state, "message": "No.", "details": '{"code": "x"}', "hint": "Ask."}
        assert answer.headers["proxy-status"] == f"PostgREST; error={state}"

    def test_an_error_can_be_written_as_json(self, gateway: RunningGateway) -> None:
        message = json.dumps({"code": "own", "message": "Mine.", "hint": "None."})
        detail = json.dumps({"status": 402, "headers": {"X-Price": "5"}})
        answer = call(gateway, "complain", {"state": "PGRST", "message": message, "detail": detail})

        assert (answer.status_code, answer.headers["x-price"]) == (402, "5")
        assert answer.json() == {"code": "own", "message": "Mine.", "details": None, "hint": "None."}

    @pytest.mark.parametrize(
        "detail",
        ["nonsense", "[]", '{"status": 99}', '{"status": 400, "headers": {"X": "a\\r\\nY: b"}}'],
    )
    def test_an_unreadable_one_is_an_error_of_its_own(self, gateway: RunningGateway, detail: str) -> None:
        message = json.dumps({"code": "own", "message": "Mine."})
        answer = call(gateway, "complain", {"state": "PGRST", "message": message, "detail": detail})

        assert (answer.status_code, answer.json()["code"]) == (500, "PGRST121")
