"""What tokens are worth, and what goes over the wire."""

from pathlib import Path
from typing import Any

import jwt
import pytest
from supabase_auth.errors import AuthApiError

from tests.support.auth_server import (
    SECRET,
    VERSION,
    AuthServer,
    auth_server,
    code_of,
    refused,
    signed,
)
from tests.support.postgres import start_postgres


class TestTokens:
    def test_the_client_reads_the_user_and_the_claims(self, auth: AuthServer, mia: str) -> None:
        client = auth.signed_in()
        answer, claims = client.auth.get_user(), client.auth.get_claims()

        assert answer
        assert answer.user.id == mia
        assert claims
        assert claims["claims"]["sub"] == mia

    @pytest.mark.parametrize(
        ("change", "refusal"),
        [
            ({"exp": 1}, (403, "bad_jwt")),
            ({"sub": None}, (403, "bad_jwt")),
            ({"sub": ""}, (403, "bad_jwt")),
            ({"sub": "mia"}, (400, "bad_jwt")),
            ({"sub": "00000000-0000-4000-8000-000000000000"}, (403, "user_not_found")),
            ({"session_id": "0"}, (403, "bad_jwt")),
            ({"session_id": "00000000-0000-4000-8000-000000000000"}, (403, "session_not_found")),
            ({"aud": "elsewhere"}, (400, "validation_failed")),
        ],
    )
    @pytest.mark.usefixtures("mia")
    def test_a_changed_claim_is_refused(
        self, auth: AuthServer, change: dict[str, Any], refusal: tuple[int, str]
    ) -> None:
        claims = jwt.decode(auth.sign_in().session.access_token, options={"verify_signature": False})
        with pytest.raises(AuthApiError) as error:
            auth.anon().auth.get_user(signed(claims | change))
        assert refused(error) == refusal

    @pytest.mark.usefixtures("mia")
    def test_only_the_own_key_and_algorithm_count(self, auth: AuthServer) -> None:
        claims = jwt.decode(auth.sign_in().session.access_token, options={"verify_signature": False})
        forged = [
            signed(claims, "another secret that is long enough for it"),
            jwt.encode(claims, "", "none"),
            jwt.encode(claims, SECRET * 2, "HS512"),
            "no.token.at-all",
            "sb_publishable_abc",
        ]
        for token in forged:
            headers = VERSION | {"Authorization": f"Bearer {token}"}
            assert code_of(auth.ask("GET", "/user", headers=headers)) == (403, "bad_jwt")

    @pytest.mark.usefixtures("mia")
    def test_a_token_cannot_borrow_the_session_of_somebody_else(self, auth: AuthServer) -> None:
        auth.person("noa@example.com")
        own, foreign = (
            jwt.decode(auth.sign_in(email=email).session.access_token, options={"verify_signature": False})
            for email in ("mia@example.com", "noa@example.com")
        )
        with pytest.raises(AuthApiError) as error:
            auth.anon().auth.get_user(signed(own | {"session_id": foreign["session_id"]}))
        assert refused(error) == (403, "session_not_found")

    def test_the_project_key_is_nobody(self, auth: AuthServer) -> None:
        with pytest.raises(AuthApiError) as error:
            auth.anon().auth.get_user(signed({"role": "anon"}))
        assert refused(error) == (403, "bad_jwt")

    def test_a_ban_counts_at_once(self, auth: AuthServer, mia: str) -> None:
        session = auth.sign_in().session
        auth.admin().update_user_by_id(mia, {"ban_duration": "24h"})

        with pytest.raises(AuthApiError) as error:
            auth.anon().auth.get_user(session.access_token)
        assert refused(error) == (403, "user_banned")
        with pytest.raises(AuthApiError) as error:
            auth.anon().auth.refresh_session(session.refresh_token)
        assert refused(error) == (400, "user_banned")
        with pytest.raises(AuthApiError) as error:
            auth.sign_in()
        assert refused(error) == (400, "user_banned")

        auth.admin().update_user_by_id(mia, {"ban_duration": "none"})
        assert auth.anon().auth.get_user(session.access_token)
        assert auth.sign_in().session

    def test_asymmetric_tokens_have_no_key_here(self, auth: AuthServer) -> None:
        answer = auth.ask("GET", "/.well-known/jwks.json")
        assert answer.json() == {"keys": []}
        assert answer.headers["cache-control"] == "public, max-age=600"


class TestWire:
    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"[]",
            b'{"email": 7}',
            b'{"email": "\\u0000"}',
            b'{"email": "\\ud800"}',
            b'{"data": 1e999}',
            b'{"data": NaN}',
            b"[" * 100_000,
            b"\xff",
        ],
    )
    def test_what_is_no_usable_json_is_bad_json(self, auth: AuthServer, body: bytes) -> None:
        answer = auth.ask("POST", "/token?grant_type=password", content=body, headers=VERSION)
        assert code_of(answer) == (400, "bad_json")

    def test_a_body_over_one_megabyte_is_too_large(self, auth: AuthServer) -> None:
        answer = auth.ask("POST", "/token?grant_type=password", content=b" " * 1_000_001, headers=VERSION)
        assert code_of(answer) == (413, "request_entity_too_large")

    def test_without_a_token_there_is_no_authorization(self, auth: AuthServer) -> None:
        for headers in ({}, {"Authorization": "Basic bWlh"}, {"Authorization": "Bearer"}):
            answer = auth.ask("GET", "/user", headers=VERSION | headers)
            assert code_of(answer) == (401, "no_authorization")

    def test_the_version_of_the_request_decides_the_shape_of_an_error(self, auth: AuthServer) -> None:
        new = auth.ask("GET", "/user", headers=VERSION)
        assert new.json().keys() == {"code", "message"}
        assert new.headers["x-supabase-api-version"] == "2024-01-01"

        for headers in ({}, {"X-Supabase-Api-Version": "2023-01-01"}, {"X-Supabase-Api-Version": "new"}):
            old = auth.ask("GET", "/user", headers=headers)
            assert (old.json()["code"], old.json()["error_code"]) == (401, "no_authorization")
            assert old.json()["msg"]
            assert "x-supabase-api-version" not in old.headers

    @pytest.mark.parametrize(
        ("method", "path"),
        [("POST", "/signup"), ("PUT", "/user"), ("GET", "/admin/users/x/factors"), ("GET", "/a/b")],
    )
    def test_what_is_not_served_is_named(self, auth: AuthServer, method: str, path: str) -> None:
        answer = auth.ask(method, path, headers=VERSION)
        assert code_of(answer) == (501, "not_implemented")
        assert f"{method} /auth/v1{path}" in answer.json()["message"]

    def test_a_grant_that_is_not_served_is_named(self, auth: AuthServer) -> None:
        answer = auth.ask("POST", "/token?grant_type=pkce", json={}, headers=VERSION)
        assert code_of(answer) == (501, "not_implemented")

    def test_it_says_that_it_is_well(self, auth: AuthServer) -> None:
        assert auth.ask("GET", "/health").json()["name"] == "GoTrue"


def test_auth_outlives_a_restart_of_postgres(tmp_path: Path) -> None:
    postgres = start_postgres(tmp_path / "data")
    try:
        with auth_server(postgres.database()) as auth:
            auth.person()
            token = auth.sign_in().session.access_token
            postgres.stop()
            headers = VERSION | {"Authorization": f"Bearer {token}"}
            assert code_of(auth.ask("GET", "/user", headers=headers)) == (504, "request_timeout")

            postgres = start_postgres(tmp_path / "data", postgres.port, postgres.passwords)
            assert auth.anon().auth.get_user(token)
    finally:
        postgres.stop()
