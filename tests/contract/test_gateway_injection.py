"""Whatever a request says, it stays what it is: a name, a value, a filter. Nothing of it becomes SQL."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.gateway import RunningGateway
from tests.support.postgres import Database

CROWN_JEWELS = "the crown jewels"
ATTACKS = [
    "'; select secret from private.vault; --",
    '"; reset role; select 1; --',
    "' or '1'='1",
    '" or true --',
    "x\\'; drop table incidents; --",
    "$$; drop table incidents; $$",
    "$1", "$2", "%s", "%(a)s", "{}", "{0}", "/*", "*/", "--", ";", "\\", "\\'", '"', '""', "'", "''", "\n",
    "\r\n", "name from private.vault", "(select secret from private.vault)", "set_config('role','none',true)",
    "pg_catalog.set_config('role','supabase_admin',false)", "incidents; reset role",
    "text) from private.vault --",
    "int)) as x, (select secret",
    "id::text", "U&'\\0027'", "E'\\''", "\u2019", "\uff07", "\ufffd", "\U0001f600",
    "private.vault", "vault", "pg_read_file('/etc/passwd')", "current_user", "name\u00a0or\u00a0true",
]  # fmt: skip
CLAUSES = ["select", "order", "columns", "on_conflict"]


def joined(first: st.SearchStrategy[str], second: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds(str.__add__, first, second)


HOSTILE = (
    st.sampled_from(ATTACKS) | st.text(max_size=20) | joined(st.sampled_from(ATTACKS), st.text(max_size=4))
)
QUOTED = HOSTILE.map(lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"')
NAMES = HOSTILE | QUOTED | st.sampled_from(["name", "context->", "context->>", "services(", "x:name::"])
KEYS = NAMES | st.sampled_from(["or", "and", "limit", "offset", "services.or", *CLAUSES])
OPERATORS = st.sampled_from(
    ["eq.", "like.", "in.(", "cs.", "fts.", "fts(", "is.", "not.eq.", "eq(any).", "(name.eq.", ""]
)
PAIRS = st.lists(
    st.tuples(KEYS, joined(OPERATORS, HOSTILE | QUOTED))
    | st.tuples(st.sampled_from(CLAUSES), joined(NAMES, NAMES)),
    max_size=3,
)


def bodies(*known: str) -> st.SearchStrategy[dict[str, str]]:
    return st.dictionaries(HOSTILE | st.sampled_from(known), HOSTILE, max_size=3)


MANY = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def _untouched(gateway_database: Database) -> Iterator[None]:
    """Whatever was tried: tables, roles and the vault are as they were."""
    look = """
        select (select json_agg(i order by id) from incidents i where id < 10)::text,
               (select json_agg(v) from private.vault v)::text,
               (select json_agg(relname order by relname) from pg_class
                where relnamespace = 'public'::regnamespace)::text,
               (select json_agg(r.* order by rolname) from pg_roles r)::text
    """
    with gateway_database.connect("supabase_admin") as connection:
        before = connection.execute(look).fetchone()
        yield
        after = connection.execute(look).fetchone()
    assert after == before


def send(
    gateway: RunningGateway, method: str, path: str, pairs: Any = (), body: Any = None, **headers: str
) -> "tuple[int, str]":
    query = "&".join(f"{encoded(name)}={encoded(value)}" for name, value in pairs)
    content = None if body is None else json.dumps(body).encode()
    sent = {"apikey": gateway.service_role_key, "Content-Type": "application/json"} | headers
    url = f"{gateway.url}/rest/v1/{path}?{query}"
    answer = gateway.http.request(method, url, headers=sent, content=content)
    harmless(answer.status_code, answer.text)
    return answer.status_code, answer.text


def encoded(text: str) -> str:
    return quote(text.encode("utf-8", "surrogatepass"), safe="")


def harmless(status: int, text: str) -> None:
    """The answer is one a well-behaved server gives, without what the asker may not see."""
    assert CROWN_JEWELS not in text
    assert "root:" not in text
    assert status < 500 or '"code":' in text or '"code": ' in text, (status, text)
    if status >= 400:
        code = json.loads(text)["code"]
        # Whatever was sent, statements are whole and parameters counted: no 08P01 (protocol), no XX000.
        assert not code.startswith(("08", "XX", "SANDBOX5")) or status == 501, text
        assert status in (300, 400, 404, 406, 409, 416), text


@pytest.mark.usefixtures("_untouched")
class TestNothingEscapes:
    @MANY
    @given(pairs=PAIRS)
    def test_from_the_query_of_a_read(self, gateway: RunningGateway, pairs: Any) -> None:
        send(gateway, "GET", "incidents", pairs)

    @MANY
    @given(pairs=PAIRS, body=bodies("words", "id"))
    def test_from_an_insert(self, gateway: RunningGateway, pairs: Any, body: Any) -> None:
        prefer = "missing=default,resolution=merge-duplicates,return=representation"
        send(gateway, "POST", "scraps", pairs, body, Prefer=prefer)

    @MANY
    @given(pairs=PAIRS, body=bodies("tier"))
    def test_from_a_change(self, gateway: RunningGateway, pairs: Any, body: Any) -> None:
        never = [*pairs, ("id", "lt.0")]
        send(gateway, "PATCH", "services", never, body, Prefer="return=representation")
        send(gateway, "DELETE", "services", never)

    @MANY
    @given(
        pairs=PAIRS,
        body=st.dictionaries(HOSTILE | st.sampled_from(["payload", "n", "i"]), HOSTILE, max_size=3),
    )
    def test_from_a_call(self, gateway: RunningGateway, pairs: Any, body: Any) -> None:
        for function in ("table_of", "all_incidents", "kinds"):
            send(gateway, "POST", f"rpc/{function}", pairs, body)
            send(gateway, "GET", f"rpc/{function}", pairs)

    @MANY
    @given(name=HOSTILE.filter(lambda text: text.strip("./") not in ("", "incidents")))
    def test_from_names_in_the_path(self, gateway: RunningGateway, name: str) -> None:
        for path in (encoded(name), f"rpc/{encoded(name)}"):
            answer = gateway.http.get(
                f"{gateway.url}/rest/v1/{path}", headers={"apikey": gateway.service_role_key}
            )
            assert answer.status_code in (404, 501)
            assert CROWN_JEWELS not in answer.text

    @pytest.mark.parametrize("text", ATTACKS)
    def test_a_value_is_found_as_it_was_written(self, gateway: RunningGateway, text: str) -> None:
        row = {"id": 50, "name": text, "context": {text: text}}
        assert send(gateway, "POST", "incidents", [], row)[0] == 201
        found = [("select", "name"), ("name", f"eq.{text}"), ("id", "eq.50")]
        quoted = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
        try:
            for condition in (
                ("name", f"eq.{text}"),
                ("name", f"in.({quoted},x)"),
                ("or", f"(name.eq.{quoted},id.eq.-1)"),
                (f"context->>{quoted}", f"eq.{text}"),
            ):
                status, answer = send(gateway, "GET", "incidents", [found[0], condition, found[2]])
                assert (status, json.loads(answer)) == (200, [{"name": text}]), condition
        finally:
            send(gateway, "DELETE", "incidents", [("id", "eq.50")])

    @pytest.mark.parametrize(
        "cast", ["text from private.vault", "text) --", "int4[", "regclass'", "vault", "private.vault"]
    )
    def test_a_cast_is_one_type_name(self, gateway: RunningGateway, cast: str) -> None:
        status, _ = send(gateway, "GET", "incidents", [("select", f"name::{cast}")])

        assert status == 400

    def test_functions_of_postgres_are_out_of_reach(self, gateway: RunningGateway) -> None:
        for name in (
            "set_config",
            "pg_catalog.set_config",
            "pg_read_file",
            "current_setting",
            "query_to_xml",
        ):
            body = {"setting_name": "role", "new_value": "none", "is_local": False}
            assert send(gateway, "POST", f"rpc/{name}", [], body)[0] == 404

    def test_a_role_does_not_outlive_its_request(self, gateway: RunningGateway) -> None:
        for _ in range(30):
            send(gateway, "GET", "incidents")
            headers = {"apikey": gateway.anon_key}
            answer = gateway.http.get(f"{gateway.url}/rest/v1/incidents", headers=headers)
            assert answer.json()["code"] == "42501"
