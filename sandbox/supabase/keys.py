"""The two keys of a project, as Supabase's legacy API keys: HS256 tokens that name a role."""

import jwt

# Year 2100: the keys of a sandbox end with its folder.
_EXPIRES = 4102444800


def _key(secret: str, role: str) -> str:
    claims = {"iss": "incidentscribe-sandbox", "role": role, "iat": 1700000000, "exp": _EXPIRES}
    return jwt.encode(claims, secret, algorithm="HS256")


def anon_key(secret: str) -> str:
    """The key that browsers and the desk's web part may have."""
    return _key(secret, "anon")


def service_role_key(secret: str) -> str:
    """The key of flow and worker: past RLS, within its grants."""
    return _key(secret, "service_role")
