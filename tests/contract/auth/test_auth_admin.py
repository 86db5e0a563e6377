"""The administration of users by the unmodified client."""

from typing import Any
from uuid import uuid4

import bcrypt
import pytest
from supabase_auth.errors import AuthApiError, AuthWeakPasswordError

from tests.support.auth_server import PASSWORD, VERSION, AuthServer, code_of, refused, signed

# What a request with the service key carries, for those that the client does not send.
SERVICE = VERSION | {"Authorization": f"Bearer {signed({'role': 'service_role'})}"}


class TestCreate:
    def test_a_new_user_has_an_identity_and_may_bring_an_id(self, auth: AuthServer) -> None:
        wanted = str(uuid4())
        user = (
            auth.admin()
            .create_user(
                {
                    "id": wanted,
                    "email": "Mia@Example.com",
                    "password": PASSWORD,
                    "email_confirm": True,
                    "user_metadata": {"name": "Mia"},
                    "app_metadata": {"team": "core"},
                    "role": "responder",
                }
            )
            .user
        )

        assert (user.id, user.email, user.role, user.aud) == (
            wanted,
            "mia@example.com",
            "responder",
            "authenticated",
        )
        assert user.user_metadata == {"name": "Mia", "email_verified": True}
        assert user.app_metadata == {"provider": "email", "providers": ["email"], "team": "core"}
        assert user.email_confirmed_at == user.confirmed_at is not None
        [identity] = user.identities
        assert (identity.provider, identity.id, identity.user_id) == ("email", wanted, wanted)
        assert identity.identity_data["email"] == "mia@example.com"

    def test_no_hash_ever_leaves(self, auth: AuthServer) -> None:
        auth.person()
        assert "$2b$" not in auth.ask("GET", "/admin/users", headers=SERVICE).text

    def test_an_address_belongs_to_one_user(self, auth: AuthServer) -> None:
        auth.person()
        with pytest.raises(AuthApiError, match="already been registered") as error:
            auth.person("MIA@example.com")
        assert refused(error) == (422, "email_exists")

    def test_an_id_belongs_to_one_user(self, auth: AuthServer) -> None:
        taken = auth.person()
        with pytest.raises(AuthApiError) as error:
            auth.person("noa@example.com", id=taken)
        assert refused(error) == (422, "user_already_exists")

    @pytest.mark.parametrize(
        "attributes",
        [
            {"email": ""},
            {"email": "mia"},
            {"email": "mia@exa mple.com"},
            {"email": "m" * 250 + "@example.com"},
            {"id": "mia"},
            {"id": "00000000-0000-0000-0000-000000000000"},
            {"password": "x" * 73},
            {"password": "ü" * 37},
            {"password_hash": bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()},
            {"ban_duration": "soon"},
            {"ban_duration": "24"},
            {"ban_duration": "-1h"},
            {"ban_duration": "99999999999h"},
        ],
    )
    def test_what_makes_no_sense_is_refused(self, auth: AuthServer, attributes: dict[str, Any]) -> None:
        with pytest.raises(AuthApiError) as error:
            auth.admin().create_user({"email": "mia@example.com", "password": PASSWORD, **attributes})
        assert refused(error) == (400, "validation_failed")
        assert auth.admin().list_users() == []

    def test_a_short_password_is_weak(self, auth: AuthServer) -> None:
        with pytest.raises(AuthWeakPasswordError) as error:
            auth.admin().create_user({"email": "mia@example.com", "password": "12345"})
        assert (error.value.status, error.value.reasons) == (422, ["length"])

    def test_a_hash_made_elsewhere_is_taken(self, auth: AuthServer) -> None:
        hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
        auth.admin().create_user({"email": "mia@example.com", "password_hash": hashed, "email_confirm": True})
        assert auth.signed_in().auth.get_user()

    @pytest.mark.parametrize("hashed", ["secret", "$argon2id$v=19$m=65536", "$2b$31$" + "a" * 53])
    def test_other_hashes_are_named_as_not_served(self, auth: AuthServer, hashed: str) -> None:
        body = {"email": "mia@example.com", "password_hash": hashed}
        answer = auth.ask("POST", "/admin/users", headers=SERVICE, json=body)
        assert code_of(answer) == (501, "not_implemented")


class TestList:
    def test_the_newest_come_first_and_pages_are_counted_from_one(self, auth: AuthServer) -> None:
        emails = [f"p{number}@example.com" for number in range(5)]
        for email in emails:
            auth.person(email)

        newest_first = emails[::-1]
        assert [user.email for user in auth.admin().list_users()] == newest_first
        assert [user.email for user in auth.admin().list_users(page=2, per_page=2)] == newest_first[2:4]
        assert auth.admin().list_users(page=9, per_page=2) == []

    def test_the_answer_says_how_many_there_are_and_where_to_go_on(self, auth: AuthServer) -> None:
        for number in range(3):
            auth.person(f"p{number}@example.com")
        answer = auth.ask("GET", "/admin/users?page=1&per_page=2", headers=SERVICE)
        assert answer.json()["aud"] == "authenticated"
        assert answer.headers["x-total-count"] == "3"
        assert answer.links["next"]["url"] == "/auth/v1/admin/users?page=2&per_page=2"
        assert answer.links["last"]["url"] == "/auth/v1/admin/users?page=2&per_page=2"
        assert "next" not in auth.ask("GET", "/admin/users?page=2&per_page=2", headers=SERVICE).links

    @pytest.mark.parametrize("query", ["page=0", "page=-1", "per_page=x", "per_page=" + "9" * 20, "page=²"])
    def test_pages_are_numbers(self, auth: AuthServer, query: str) -> None:
        answer = auth.ask("GET", f"/admin/users?{query}", headers=SERVICE)
        assert code_of(answer) == (400, "validation_failed")


class TestChange:
    def test_metadata_is_merged_and_null_removes_a_key(self, auth: AuthServer) -> None:
        mia = auth.person(user_metadata={"name": "Mia", "team": "core"}, app_metadata={"tier": 1})
        change = {"user_metadata": {"team": None, "city": "Kiel"}, "app_metadata": {"tier": 2}}
        user = auth.admin().update_user_by_id(mia, change).user

        assert user.user_metadata == {"name": "Mia", "email_verified": True, "city": "Kiel"}
        assert user.app_metadata == {"provider": "email", "providers": ["email"], "tier": 2}
        assert user == auth.admin().get_user_by_id(mia).user

    def test_a_new_password_ends_the_sessions_of_the_old_one(self, auth: AuthServer) -> None:
        mia = auth.person()
        client = auth.signed_in()
        auth.admin().update_user_by_id(mia, {"password": "another horse"})

        with pytest.raises(AuthApiError) as error:
            client.auth.get_user()
        assert refused(error) == (403, "session_not_found")
        with pytest.raises(AuthApiError) as error:
            auth.signed_in()
        assert refused(error) == (400, "invalid_credentials")
        credentials = {"email": "mia@example.com", "password": "another horse"}
        assert auth.anon().auth.sign_in_with_password(credentials).session  # type: ignore[arg-type]

    @pytest.mark.parametrize("password", ["12345", ""])
    def test_a_weak_new_password_changes_nothing(self, auth: AuthServer, password: str) -> None:
        mia = auth.person()
        with pytest.raises(AuthWeakPasswordError):
            auth.admin().update_user_by_id(mia, {"password": password, "user_metadata": {"a": 1}})
        assert auth.signed_in().auth.get_user()
        assert "a" not in auth.admin().get_user_by_id(mia).user.user_metadata

    def test_a_new_address_is_the_one_to_sign_in_with(self, auth: AuthServer) -> None:
        mia = auth.person()
        auth.person("noa@example.com")
        with pytest.raises(AuthApiError) as error:
            auth.admin().update_user_by_id(mia, {"email": "noa@example.com"})
        assert refused(error) == (422, "email_exists")

        user = auth.admin().update_user_by_id(mia, {"email": "mia@example.org"}).user
        assert user.email == user.identities[0].identity_data["email"] == "mia@example.org"
        assert auth.signed_in("mia@example.org").auth.get_user()

    def test_an_address_can_be_confirmed_later(self, auth: AuthServer) -> None:
        mia = auth.person(email_confirm=False)
        auth.admin().update_user_by_id(mia, {"email_confirm": True})
        assert auth.signed_in().auth.get_user()


class TestRemove:
    def test_a_removed_user_is_gone_with_everything(self, auth: AuthServer) -> None:
        mia = auth.person()
        session = auth.signed_in().auth.get_session()
        assert session
        auth.admin().delete_user(mia)

        with pytest.raises(AuthApiError) as error:
            auth.anon().auth.get_user(session.access_token)
        assert refused(error) == (403, "user_not_found")
        with pytest.raises(AuthApiError) as error:
            auth.anon().auth.refresh_session(session.refresh_token)
        assert refused(error) == (400, "refresh_token_not_found")
        assert auth.admin().list_users() == []
        assert auth.person() != mia

    def test_a_soft_removal_keeps_the_row_and_nothing_of_the_person(self, auth: AuthServer) -> None:
        mia = auth.person(user_metadata={"name": "Mia"})
        token = auth.signed_in().auth.get_session()
        assert token
        for _ in range(2):
            auth.admin().delete_user(mia, should_soft_delete=True)

        user = auth.admin().get_user_by_id(mia).user
        assert user.deleted_at
        assert "mia" not in user.model_dump_json().lower()
        with pytest.raises(AuthApiError) as error:
            auth.signed_in()
        assert refused(error) == (400, "invalid_credentials")
        with pytest.raises(AuthApiError) as error:
            auth.anon().auth.get_user(token.access_token)
        assert refused(error) == (403, "session_not_found")
        assert auth.person() != mia


class TestRights:
    def test_nobody_else_administers_users(self, auth: AuthServer) -> None:
        mia = auth.person()
        session = auth.signed_in().auth.get_session()
        assert session
        for key in (signed({"role": "anon"}), session.access_token, signed({"sub": mia})):
            admin = auth.client(key).auth.admin
            calls: list[Any] = [
                lambda admin=admin: admin.list_users(),
                lambda admin=admin: admin.get_user_by_id(mia),
                lambda admin=admin: admin.create_user({"email": "eve@example.com"}),
                lambda admin=admin: admin.update_user_by_id(mia, {"role": "service_role"}),
                lambda admin=admin: admin.delete_user(mia),
            ]
            for call in calls:
                with pytest.raises(AuthApiError, match="User not allowed") as error:
                    call()
                assert refused(error) == (403, "not_admin")

    def test_a_forged_service_key_is_no_key(self, auth: AuthServer) -> None:
        forged = signed({"role": "service_role"}, "another secret that is long enough for it")
        with pytest.raises(AuthApiError) as error:
            auth.client(forged).auth.admin.list_users()
        assert refused(error) == (403, "bad_jwt")

    def test_an_unknown_user_is_not_found(self, auth: AuthServer) -> None:
        nobody = str(uuid4())
        calls: list[Any] = [
            lambda: auth.admin().get_user_by_id(nobody),
            lambda: auth.admin().update_user_by_id(nobody, {"email": "eve@example.com"}),
            lambda: auth.admin().delete_user(nobody),
            lambda: auth.admin().delete_user(nobody, should_soft_delete=True),
        ]
        for call in calls:
            with pytest.raises(AuthApiError) as error:
                call()
            assert refused(error) == (404, "user_not_found")

    def test_an_id_is_a_uuid(self, auth: AuthServer) -> None:
        answer = auth.ask("GET", "/admin/users/mia", headers=SERVICE)
        assert code_of(answer) == (404, "validation_failed")
