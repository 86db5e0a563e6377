"""Who may come in: loopback only, no foreign web pages, and nobody without one of the project's keys."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.supabase.gateway.errors import ApiError
from sandbox.supabase.gateway.tokens import verify_token

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_KEYED = ("/rest/v1", "/auth/v1")
_OPEN = frozenset(
    f"/auth/v1/{path}" for path in ("health", "verify", "callback", "authorize", ".well-known/jwks.json")
)


class Door:
    """Middleware in front of every route.

    As on Supabase, a request needs a valid `apikey`; without an Authorization of its own, or with an opaque
    key in it, the apikey also says who is asking.
    """

    def __init__(self, app: ASGIApp, jwt_secret: str) -> None:
        self._app = app
        self._jwt_secret = jwt_secret

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = _stranger(headers)
        if refusal is not None:
            await refusal.response()(scope, receive, send)
            return
        path: str = scope["path"]
        if path.startswith(_KEYED) and path not in _OPEN:
            key = headers.get("apikey", "")
            if (problem := self._key_problem(key)) is not None:
                await problem(scope, receive, send)
                return
            if headers.get("authorization", "Bearer sb_").startswith("Bearer sb_"):
                scope = dict(scope, headers=list(scope["headers"]))
                MutableHeaders(scope=scope)["authorization"] = f"Bearer {key}"
        await self._app(scope, receive, send)

    def _key_problem(self, key: str) -> JSONResponse | None:
        """The answer of Supabase's front for a missing or wrong key, in its own shape."""
        if not key:
            hint = "No `apikey` request header or url param was found."
            return JSONResponse({"message": "No API key found in request", "hint": hint}, 401)
        try:
            known = verify_token(key, self._jwt_secret)["role"] in ("anon", "service_role")
        except ApiError:
            known = False
        if known:
            return None
        hint = "Double check your Supabase `anon` or `service_role` API key."
        return JSONResponse({"message": "Invalid API key", "hint": hint}, 401)


def _stranger(headers: Headers) -> ApiError | None:
    """Another Host means DNS rebinding, a foreign Origin a web page elsewhere."""
    if _host_name("//" + headers.get("host", "")) not in _LOOPBACK:
        return ApiError(403, "SANDBOX403", "The sandbox answers only to a loopback address as Host.")
    origin = headers.get("origin")
    if origin is not None and _host_name(origin) not in _LOOPBACK:
        return ApiError(403, "SANDBOX403", "The sandbox answers no web page of another origin.")
    return None


def _host_name(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None
