"""Who may come in, as whom, and what is not served at all."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import jwt
import pytest
from postgrest.exceptions import APIError
from supabase import Client

from sandbox.supabase.gateway.errors import ApiError
from sandbox.supabase.gateway.tokens import verify_token
from tests.support.gateway import RunningGateway
from tests.support.postgres import Database

MINE = "00000000-0000-0000-0000-000000000001"
YOURS = "00000000-0000-0000-0000-000000000002"


def token(gateway: RunningGateway, algorithm: str = "HS256", **claims: Any) -> str:
    """A token signed with the gateway's secret, of a user unless the claims say otherwise."""
    now = int(time.time())
    body: dict[str, Any] = {
        "role": "authenticated",
        "aud": "authenticated",
        "sub": MINE,
        "iat": now,
        "exp": now + 60,
    }
    body = {name: value for name, value in (body | claims).items() if value is not None}
    return jwt.encode(body, gateway.jwt_secret, algorithm=algorithm)


def ask(
    gateway: RunningGateway, path: str = "rpc/who", method: str = "GET", **headers: str
) -> httpx.Response:
    """With the anon key; headers by keyword, `_` for `-`."""
    sent = {"apikey": gateway.anon_key} | {name.replace("_", "-"): value for name, value in headers.items()}
    return gateway.http.request(method, f"{gateway.url}/rest/v1/{path}", headers=sent)


def bearer(gateway: RunningGateway, value: str) -> httpx.Response:
    return ask(gateway, Authorization=f"Bearer {value}")


class TestKeys:
    def test_the_key_alone_says_who_asks(self, gateway: RunningGateway) -> None:
        assert ask(gateway).json()["role"] == "anon"
        assert ask(gateway, apikey=gateway.service_role_key).json()["role"] == "service_role"

    def test_a_user_token_beats_the_key(self, gateway: RunningGateway) -> None:
        seen = ask(gateway, apikey=gateway.service_role_key, Authorization=f"Bearer {token(gateway)}").json()

        assert (seen["role"], seen["uid"]) == ("authenticated", MINE)

    def test_an_opaque_key_as_token_counts_for_nothing(self, gateway: RunningGateway) -> None:
        assert ask(gateway, Authorization="Bearer sb_publishable_x").json()["role"] == "anon"

    def test_another_scheme_is_anonymous(self, gateway: RunningGateway) -> None:
        assert ask(gateway, Authorization="Basic eDp5").json()["role"] == "anon"

    def test_without_a_key_nobody_comes_in(self, gateway: RunningGateway) -> None:
        answer = gateway.http.get(f"{gateway.url}/rest/v1/incidents")

        assert (answer.status_code, answer.json()["message"]) == (401, "No API key found in request")

    def test_a_user_token_or_a_forged_key_is_no_key(self, gateway: RunningGateway) -> None:
        forged = jwt.encode({"role": "service_role"}, "x" * 32, algorithm="HS256")

        assert ask(gateway, apikey=token(gateway)).status_code == 401
        assert ask(gateway, apikey=forged).json()["message"] == "Invalid API key"


class TestTokens:
    def test_times_have_thirty_seconds_of_tolerance(self) -> None:
        secret, at = "s" * 32, 1_800_000_000
        signed = jwt.encode({"exp": at - 29, "nbf": at + 29, "iat": at + 29}, secret, algorithm="HS256")
        assert verify_token(signed, secret, lambda: at)["role"] == "anon"
        for claim, value in (("exp", at - 31), ("nbf", at + 31), ("iat", at + 31)):
            signed = jwt.encode({claim: value}, secret, algorithm="HS256")
            with pytest.raises(ApiError, match="PGRST303"):
                verify_token(signed, secret, lambda: at)

    @pytest.mark.parametrize(
        ("claims", "message"),
        [
            ({"exp": 1}, "JWT expired"),
            ({"nbf": 4102444800}, "JWT not yet valid"),
            ({"iat": 4102444800}, "JWT issued at future"),
            ({"aud": "other"}, "JWT not in audience"),
            ({"exp": "soon"}, "The JWT 'exp' claim must be a number"),
            ({"role": 5}, "The JWT 'role' claim must be a string"),
        ],
    )
    def test_claims_that_do_not_hold_are_named(
        self, gateway: RunningGateway, claims: dict[str, Any], message: str
    ) -> None:
        answer = bearer(gateway, token(gateway, **claims))

        assert (answer.status_code, answer.json()["code"]) == (401, "PGRST303")
        assert answer.json()["message"] == message
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]

    def test_nothing_but_our_signature_counts(self, gateway: RunningGateway) -> None:
        unsigned = jwt.encode({"role": "service_role"}, None, algorithm="none")
        foreign = jwt.encode({"role": "service_role"}, "y" * 48, algorithm="HS256")
        head, _, rest = token(gateway).partition(".")
        for bad in (unsigned, foreign, "x", "a.b", f"{head}.{rest[1:]}", "%.%.%", "e30.e30.e30"):
            answer = bearer(gateway, bad)
            assert (answer.status_code, answer.json()["code"]) == (401, "PGRST301"), bad

    def test_our_own_secret_used_with_another_algorithm_does_not_count(self, gateway: RunningGateway) -> None:
        assert bearer(gateway, token(gateway, algorithm="HS384")).status_code == 401

    def test_an_empty_token_is_said_to_be_empty(self, gateway: RunningGateway) -> None:
        answer = ask(gateway, Authorization="Bearer")

        assert answer.json()["message"] == "Empty JWT is sent in Authorization header"

    def test_without_a_role_it_is_anon(self, gateway: RunningGateway) -> None:
        assert bearer(gateway, token(gateway, role=None)).json()["role"] == "anon"

    @pytest.mark.parametrize("role", ['x"; reset role; --', "no such role", "x'", "none; select 1"])
    def test_a_role_that_does_not_exist_is_401(self, gateway: RunningGateway, role: str) -> None:
        answer = bearer(gateway, token(gateway, role=role))

        assert (answer.status_code, answer.json()["code"]) == (401, "22023")

    @pytest.mark.parametrize("role", ["postgres", "supabase_admin", "supabase_auth_admin"])
    def test_a_role_not_granted_is_403(self, gateway: RunningGateway, role: str) -> None:
        answer = bearer(gateway, token(gateway, role=role))

        assert (answer.status_code, answer.json()["code"]) == (403, "42501")


class TestRights:
    def test_row_level_security_is_postgres_own(self, gateway: RunningGateway, service: Client) -> None:
        mine = gateway.client(token=token(gateway)).table("notes").select("words").execute().data
        yours = gateway.client(token=token(gateway, sub=YOURS)).table("notes").select("words").execute().data
        everything = service.table("notes").select("words").order("id").execute().data

        assert mine == [{"words": "mine"}]
        assert yours == [{"words": "yours"}]
        assert everything == [{"words": "mine"}, {"words": "yours"}]

    def test_a_missing_grant_is_401_for_anon_and_403_for_others(self, gateway: RunningGateway) -> None:
        nobody = ask(gateway, "locked")
        somebody = ask(gateway, "locked", apikey=gateway.service_role_key)

        assert (nobody.status_code, nobody.headers["www-authenticate"]) == (401, "Bearer")
        assert (somebody.status_code, somebody.json()["code"]) == (403, "42501")

    def test_a_new_table_is_closed_until_it_is_granted(
        self, gateway_database: Database, service: Client
    ) -> None:
        with gateway_database.connect() as connection:
            connection.execute("create table fresh (id int)")
            with pytest.raises(APIError) as closed:
                service.table("fresh").select("*").execute()
            connection.execute("grant select on fresh to service_role")
            assert service.table("fresh").select("*").execute().data == []
            connection.execute("drop table fresh")
        with pytest.raises(APIError) as gone:
            service.table("fresh").select("*").execute()

        assert (closed.value.code, gone.value.code) == ("42501", "PGRST205")

    def test_a_changed_table_is_known_at_the_next_request(
        self, gateway_database: Database, service: Client
    ) -> None:
        with gateway_database.connect() as connection:
            connection.execute("create table moving (id int)")
            connection.execute("grant all on moving to service_role")
            service.table("moving").insert({"id": 1}).execute()
            connection.execute("alter table moving alter id type text")
            service.table("moving").insert({"id": "two"}).execute()
            rows = service.table("moving").select("*").execute().data
            connection.execute("drop table moving")

        assert rows == [{"id": "1"}, {"id": "two"}]

    def test_identities_do_not_mix_under_load(self, gateway: RunningGateway) -> None:
        people = {MINE: token(gateway), YOURS: token(gateway, sub=YOURS)}

        def uid(number: int) -> bool:
            sub = [MINE, YOURS][number % 2]
            return bool(bearer(gateway, people[sub]).json()["uid"] == sub)

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(uid, range(200)))


class TestBounds:
    @pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "169.254.169.254", "[::"])
    def test_another_host_is_refused(self, gateway: RunningGateway, host: str) -> None:
        assert ask(gateway, Host=host).status_code == 403

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost:54321", "[::1]:54321"])
    def test_loopback_hosts_are_welcome(self, gateway: RunningGateway, host: str) -> None:
        assert ask(gateway, Host=host).status_code == 200

    @pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1.evil.example"])
    def test_a_foreign_web_page_is_refused(self, gateway: RunningGateway, origin: str) -> None:
        answer = ask(gateway, Origin=origin)

        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers

    def test_health_names_the_sandbox(self, gateway: RunningGateway) -> None:
        answer = gateway.http.get(f"{gateway.url}/health")

        assert (answer.status_code, answer.json()) == (200, {"sandbox": "incidentscribe"})

    @pytest.mark.parametrize(
        ("method", "path"),
        [("GET", "/"), ("GET", "/rest/v1/"), ("PUT", "/rest/v1/incidents"), ("OPTIONS", "/rest/v1/incidents"),
         ("GET", "/storage/v1/bucket"), ("POST", "/functions/v1/x"), ("DELETE", "/rest/v1/rpc/who"),
         ("POST", "/graphql/v1")],
    )  # fmt: skip
    def test_what_is_not_served_says_so(self, gateway: RunningGateway, method: str, path: str) -> None:
        answer = gateway.http.request(method, gateway.url + path, headers={"apikey": gateway.anon_key})

        assert (answer.status_code, answer.json()["code"]) == (501, "SANDBOX501")

    def test_csv_and_form_bodies_are_not_served(self, gateway: RunningGateway) -> None:
        assert ask(gateway, "incidents", Accept="text/csv").status_code == 501
        assert ask(gateway, "incidents", "POST", Content_Type="text/csv").status_code == 501

    def test_explain_is_off_as_on_supabase(self, gateway: RunningGateway) -> None:
        answer = ask(gateway, "incidents", Accept="application/vnd.pgrst.plan+json")

        assert (answer.status_code, answer.json()["code"]) == (406, "PGRST107")

    def test_only_schema_public_is_exposed(self, service: Client) -> None:
        with pytest.raises(APIError) as refused:
            service.schema("private").table("vault").select("*").execute()

        assert refused.value.code == "PGRST106"

    def test_a_name_with_a_slash_is_another_path(self, service: Client) -> None:
        with pytest.raises(APIError) as refused:
            service.table("a/b").select("*").execute()

        assert refused.value.code == "PGRST125"

    def test_a_body_over_six_megabytes_is_refused(self, gateway: RunningGateway) -> None:
        url = f"{gateway.url}/rest/v1/incidents"
        headers = {"apikey": gateway.anon_key, "Content-Type": "application/json"}

        def chunks() -> Iterator[bytes]:
            yield b'{"name": "'
            for _ in range(7):
                yield b"x" * 1024 * 1024

        assert gateway.http.post(url, headers=headers, content=chunks()).status_code == 413

    def test_a_query_of_sixty_thousand_characters_is_served(self, service: Client) -> None:
        found = service.table("incidents").select("id").in_("id", list(range(1, 7800))).order("id").execute()

        assert [row["id"] for row in found.data] == [1, 2, 3]
