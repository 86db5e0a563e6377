"""Signing in, staying signed in and signing out, by the unmodified client."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import jwt
import pytest
from supabase_auth.errors import AuthApiError

from sandbox.supabase.auth.limits import Limit
from sandbox.supabase.auth.passwords import Passwords
from tests.support.auth_server import (
    FAST,
    PASSWORD,
    SECRET,
    VERSION,
    AuthServer,
    auth_server,
    code_of,
    refused,
)
from tests.support.postgres import Database


class TestSignIn:
    def test_a_password_opens_a_session(self, auth: AuthServer, mia: str) -> None:
        answer = auth.sign_in()

        assert answer.user.id == mia
        assert answer.user.email == "mia@example.com"
        assert answer.user.last_sign_in_at is not None
        assert answer.session.token_type == "bearer"
        assert answer.session.expires_in == 3600
        assert len(answer.session.refresh_token) == 12

    def test_the_access_token_says_what_supabase_says(self, auth: AuthServer) -> None:
        mia = auth.person(app_metadata={"team": "core"}, user_metadata={"name": "Mia"})
        session = auth.sign_in().session
        claims = jwt.decode(session.access_token, SECRET, ["HS256"], audience="authenticated")

        assert claims["iss"] == f"{auth.url}/auth/v1"
        assert claims["sub"] == mia
        assert claims["exp"] - claims["iat"] == 3600
        assert claims["exp"] == session.expires_at
        assert (claims["email"], claims["phone"], claims["role"]) == ("mia@example.com", "", "authenticated")
        assert claims["app_metadata"] == {"provider": "email", "providers": ["email"], "team": "core"}
        assert claims["user_metadata"] == {"name": "Mia", "email_verified": True}
        assert (claims["aal"], claims["is_anonymous"]) == ("aal1", False)
        assert [entry["method"] for entry in claims["amr"]] == ["password"]
        assert claims["session_id"]

    def test_the_case_of_an_address_does_not_matter(self, auth: AuthServer, mia: str) -> None:
        assert auth.sign_in(email="MIA@Example.com").user.id == mia

    @pytest.mark.parametrize(
        "wrong",
        [
            {"password": "wrong"},
            {"email": "nobody@example.com"},
            {"password": PASSWORD * 10},
            {"password": " "},
        ],
    )
    @pytest.mark.usefixtures("mia")
    def test_wrong_credentials_all_get_one_answer(self, auth: AuthServer, wrong: dict[str, str]) -> None:
        with pytest.raises(AuthApiError, match="Invalid login credentials") as error:
            auth.sign_in(**wrong)
        assert refused(error) == (400, "invalid_credentials")

    def test_a_user_without_a_password_cannot_sign_in(self, auth: AuthServer) -> None:
        auth.admin().create_user({"email": "mia@example.com", "email_confirm": True})
        with pytest.raises(AuthApiError) as error:
            auth.sign_in(password="anything")
        assert refused(error) == (400, "invalid_credentials")

    def test_an_unknown_address_costs_as_much_time_as_a_wrong_password(self) -> None:
        passwords = Passwords(cost=9, shortest=6)
        right = passwords.hash(PASSWORD)

        def fastest(hashed: str | None) -> float:
            took = []
            for _ in range(3):
                begun = time.perf_counter()
                assert not passwords.matches("wrong", hashed)
                took.append(time.perf_counter() - begun)
            return min(took)

        assert fastest(None) > fastest(right) / 2

    def test_an_unconfirmed_address_is_told_so_only_with_the_password(self, auth: AuthServer) -> None:
        auth.person(email_confirm=False)
        with pytest.raises(AuthApiError) as error:
            auth.sign_in()
        assert refused(error) == (400, "email_not_confirmed")
        with pytest.raises(AuthApiError) as error:
            auth.sign_in(password="wrong")
        assert refused(error) == (400, "invalid_credentials")

    def test_the_thirty_first_sign_in_of_an_address_is_refused(self, blank_database: Database) -> None:
        with auth_server(blank_database, replace(FAST, sign_ins=30)) as auth:
            auth.person()
            for _ in range(30):
                auth.sign_in()
            with pytest.raises(AuthApiError, match="Request rate limit reached") as error:
                auth.sign_in()
        assert refused(error) == (429, "over_request_rate_limit")

    def test_a_limit_refills_evenly_and_knows_addresses_apart(self) -> None:
        now = 0.0
        limit = Limit(30, 300, clock=lambda: now)
        for _ in range(30):
            limit.count("10.0.0.1")
        limit.count("10.0.0.2")
        now = 10.5
        limit.count("10.0.0.1")
        with pytest.raises(Exception, match="rate limit"):
            limit.count("10.0.0.1")


class TestRefresh:
    @pytest.mark.usefixtures("mia")
    def test_each_use_gives_a_new_token_in_the_same_session(self, auth: AuthServer) -> None:
        client = auth.signed_in()
        before = client.auth.get_session()
        after = client.auth.refresh_session().session

        assert before
        assert after
        assert after.refresh_token != before.refresh_token
        old, new = (
            jwt.decode(session.access_token, SECRET, ["HS256"], audience="authenticated")
            for session in (before, after)
        )
        assert (old["session_id"], old["amr"]) == (new["session_id"], new["amr"])

    @pytest.mark.usefixtures("mia")
    def test_a_client_that_lost_the_answer_gets_the_same_one_again(self, auth: AuthServer) -> None:
        first = auth.sign_in().session.refresh_token
        second = auth.anon().auth.refresh_session(first).session
        auth.execute("update auth.refresh_tokens set updated_at = now() - interval '1 day'")
        again = auth.anon().auth.refresh_session(first).session

        assert second
        assert again
        assert again.refresh_token == second.refresh_token

    @pytest.mark.usefixtures("mia")
    def test_refreshes_at_the_same_moment_get_one_token(self, auth: AuthServer) -> None:
        first = auth.sign_in().session.refresh_token
        with ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(lambda _: auth.anon().auth.refresh_session(first), range(6)))

        assert len({answer.session.refresh_token for answer in answers if answer.session}) == 1

    @pytest.mark.usefixtures("mia")
    def test_an_older_token_is_good_for_ten_seconds_after_its_use(self, auth: AuthServer) -> None:
        first = auth.sign_in().session.refresh_token
        client = auth.anon()
        client.auth.refresh_session(first)
        third = client.auth.refresh_session().session
        reused = auth.anon().auth.refresh_session(first).session

        assert third
        assert reused
        assert reused.refresh_token not in (first, third.refresh_token)

    @pytest.mark.usefixtures("mia")
    def test_a_stolen_token_ends_the_whole_family(self, auth: AuthServer) -> None:
        first = auth.sign_in().session.refresh_token
        client = auth.anon()
        client.auth.refresh_session(first)
        third = client.auth.refresh_session().session
        assert third
        auth.execute("update auth.refresh_tokens set updated_at = now() - interval '10.5 seconds'")

        for token in (first, third.refresh_token):
            with pytest.raises(AuthApiError, match="Invalid Refresh Token: Already Used") as error:
                auth.anon().auth.refresh_session(token)
            assert refused(error) == (400, "refresh_token_already_used")

    def test_an_unknown_token_is_not_found(self, auth: AuthServer) -> None:
        with pytest.raises(AuthApiError) as error:
            auth.anon().auth.refresh_session("abcdefghijkl")
        assert refused(error) == (400, "refresh_token_not_found")

    @pytest.mark.usefixtures("mia")
    def test_a_session_has_its_time(self, auth: AuthServer) -> None:
        token = auth.sign_in().session.refresh_token
        auth.execute("update auth.sessions set not_after = now()")
        with pytest.raises(AuthApiError) as error:
            auth.anon().auth.refresh_session(token)
        assert refused(error) == (400, "session_expired")

    def test_a_missing_token_is_refused_as_oauth_does(self, auth: AuthServer) -> None:
        answer = auth.ask("POST", "/token?grant_type=refresh_token", json={})
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


class TestSignOut:
    @pytest.mark.parametrize(
        ("scope", "own_ends", "other_ends"),
        [("global", True, True), ("local", True, False), ("others", False, True)],
    )
    @pytest.mark.usefixtures("mia")
    def test_each_scope_ends_its_sessions(
        self, auth: AuthServer, scope: Any, own_ends: bool, other_ends: bool
    ) -> None:
        own, other = auth.signed_in(), auth.signed_in()
        auth.person("noa@example.com")
        stranger = auth.signed_in("noa@example.com")
        sessions = [client.auth.get_session() for client in (own, other, stranger)]
        own.auth.sign_out({"scope": scope})

        for session, has_ended in zip(sessions, (own_ends, other_ends, False), strict=True):
            assert session
            if not has_ended:
                assert auth.anon().auth.get_user(session.access_token)
                assert auth.anon().auth.refresh_session(session.refresh_token).session
                continue
            with pytest.raises(AuthApiError) as error:
                auth.anon().auth.get_user(session.access_token)
            assert refused(error) == (403, "session_not_found")
            with pytest.raises(AuthApiError) as error:
                auth.anon().auth.refresh_session(session.refresh_token)
            assert refused(error) == (400, "refresh_token_not_found")

    @pytest.mark.usefixtures("mia")
    def test_a_token_alone_ends_its_session(self, auth: AuthServer) -> None:
        """As the desk signs out: no session in the client, the token by hand."""
        token = auth.sign_in().session.access_token
        auth.anon().auth.admin.sign_out(token, "local")
        with pytest.raises(AuthApiError) as error:
            auth.anon().auth.get_user(token)
        assert refused(error) == (403, "session_not_found")

    @pytest.mark.usefixtures("mia")
    def test_an_unknown_scope_is_refused_and_ends_nothing(self, auth: AuthServer) -> None:
        token = auth.sign_in().session.access_token
        headers = VERSION | {"Authorization": f"Bearer {token}"}
        assert code_of(auth.ask("POST", "/logout?scope=all", headers=headers)) == (400, "validation_failed")
        assert auth.anon().auth.get_user(token)
