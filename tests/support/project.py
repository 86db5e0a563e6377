"""One Supabase project for tests of sign-in: the gateway in front of a migrated database, and its people."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from dashboard.domain.clock import utc_now
from dashboard.store.tokens import Tokens
from dashboard.web.seal import cookie_hash, seal, unseal
from tests.support.desk_process import Browser
from tests.support.gateway import RunningGateway, start_gateway
from tests.support.postgres import Database, RunningPostgres, migrated_template, scratch_database

PASSWORD = "correct horse"


@dataclass(frozen=True)
class Supabase:
    """One project; its first organization is Acme, with the slug `acme`."""

    database: Database
    gateway: RunningGateway

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self.database.connect() as owner:
            return owner.execute(query.encode(), values).fetchall()

    def execute(self, query: str, *values: object) -> None:
        """As the migrations' owner, past the API."""
        with self.database.connect() as owner:
            owner.execute(query.encode(), values)

    def person(self, name: str, role: str = "approver", organization: str = "acme") -> str:
        """Somebody of the organization with that slug; answers the id at Auth."""
        email = f"{name}@desk.example"
        admin: Any = self.gateway.client(self.gateway.service_role_key).auth.admin
        attributes = {"email": email, "password": PASSWORD, "email_confirm": True}
        user = str(admin.create_user(attributes).user.id)
        self.execute(
            "insert into public.profiles (user_id, organization_id, role, display_name, email)"
            " select %s, id, %s, %s, %s from public.organizations where slug = %s",
            user,
            role,
            name,
            email,
            organization,
        )
        return user

    def auth_sessions(self, user: str) -> int:
        """How many sessions Auth has for them."""
        with self.database.connect("supabase_auth_admin") as auth:
            row = auth.execute("select count(*) from auth.sessions where user_id = %s", [user]).fetchone()
        assert row is not None
        return int(row[0])

    def let_tokens_end_soon(self, browser: Browser) -> None:
        """The desks will renew the tokens of this browser at their next look."""
        name = cookie_hash(browser.cookie)
        ((sealed,),) = self.rows("select sealed from public.desk_sessions where cookie_hash = %s", name)
        tokens = unseal(browser.cookie, sealed)
        soon = Tokens(tokens.access_token, tokens.refresh_token, utc_now() + timedelta(seconds=30))
        # A new version, or a desk would go on with what it knows.
        self.execute(
            "update public.desk_sessions set sealed = %s, version = version + 1 where cookie_hash = %s",
            seal(browser.cookie, soon),
            name,
        )


@contextmanager
def new_project(postgres: RunningPostgres) -> Iterator[Supabase]:
    with scratch_database(postgres, migrated_template(postgres)) as database:
        with database.connect() as owner:
            owner.execute("insert into public.organizations (name, slug) values ('Acme', 'acme')")
        gateway = start_gateway(database)
        try:
            yield Supabase(database, gateway)
        finally:
            gateway.stop()
