"""What the gateway has to know to serve one database."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class GatewaySettings:
    """Addresses and secrets of one gateway; the secrets stay out of its repr.

    `authenticator_password` belongs to the login role `authenticator`, `auth_password` to the login role of
    the auth routes; an empty one means that the server asks for none.
    """

    port: int
    database_port: int
    jwt_secret: str = field(repr=False)
    authenticator_password: str = field(repr=False, default="")
    auth_password: str = field(repr=False, default="")
    database: str = "postgres"

    @property
    def url(self) -> str:
        """The address clients use as SUPABASE_URL."""
        return f"http://127.0.0.1:{self.port}"
