"""The numbers that Supabase Auth lets its operator choose, as the Supabase CLI's template has them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Rules:
    """Durations are in seconds; the limits count requests per address within `limit_window`."""

    access_token_lifetime: int = 3600
    refresh_token_reuse: int = 10
    shortest_password: int = 6
    bcrypt_cost: int = 10
    sign_ins: int = 30
    refreshes: int = 150
    limit_window: int = 300
