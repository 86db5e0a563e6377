"""What the handlers of this part work with."""

from dataclasses import dataclass

from sandbox.supabase.auth.database import Database
from sandbox.supabase.auth.limits import Limit
from sandbox.supabase.auth.passwords import Passwords
from sandbox.supabase.auth.rules import Rules
from sandbox.supabase.auth.tokens import Tokens
from sandbox.supabase.gateway.settings import GatewaySettings


@dataclass(frozen=True)
class Parts:
    """Made once per application."""

    rules: Rules
    database: Database
    passwords: Passwords
    tokens: Tokens
    sign_ins: Limit
    refreshes: Limit

    @classmethod
    def of(cls, settings: GatewaySettings, rules: Rules) -> "Parts":
        return cls(
            rules=rules,
            database=Database(settings),
            passwords=Passwords(rules.bcrypt_cost, rules.shortest_password),
            tokens=Tokens(settings.jwt_secret, f"{settings.url}/auth/v1", rules.access_token_lifetime),
            sign_ins=Limit(rules.sign_ins, rules.limit_window),
            refreshes=Limit(rules.refreshes, rules.limit_window),
        )
