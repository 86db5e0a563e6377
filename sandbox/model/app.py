"""The HTTP side of the demo model: `POST /v1beta/models/{model}:generateContent`, `GET` of the model."""

import hmac
import json

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.model.answers import answer
from sandbox.model.briefing import BadRequestError, read
from sandbox.model.hooks import Hooks

MODEL_VERSION = "demo-model"
CHARACTERS_PER_TOKEN = 4


def create_app(key: str, *, test_hooks: bool = False) -> Starlette:
    """The application. With `test_hooks`, /test-hooks/misbehave and /test-hooks/prompts exist."""
    model = _Model(key, Hooks() if test_hooks else None)
    routes = [
        Route("/health", model.health),
        Route("/v1beta/models/{model}:generateContent", model.generate, methods=["POST"]),
        Route("/v1beta/models/{model}", model.describe),
    ]
    if model.hooks:
        routes.append(Route("/test-hooks/misbehave", model.hooks.set, methods=["POST"]))
        routes.append(Route("/test-hooks/prompts", model.hooks.prompts))
    return Starlette(routes=routes)


def _refusal(code: int, status: str, sentence: str) -> JSONResponse:
    """An error in the shape of Google's APIs."""
    return JSONResponse({"error": {"code": code, "message": sentence, "status": status}}, status_code=code)


class _Model:
    def __init__(self, key: str, hooks: Hooks | None) -> None:
        self._key = key.encode()
        self.hooks = hooks

    async def health(self, request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def describe(self, request: Request) -> Response:
        refused = self._refused(request)
        if refused is not None:
            return refused
        name = request.path_params["model"]
        return JSONResponse({"name": f"models/{name}", "version": MODEL_VERSION, "displayName": "Demo model"})

    def _refused(self, request: Request) -> Response | None:
        # Google takes the key in the address too, as the guide's snippet sends it.
        given = request.headers.get("x-goog-api-key") or request.query_params.get("key", "")
        if not given:
            return _refusal(403, "PERMISSION_DENIED", "The header x-goog-api-key is missing.")
        if not hmac.compare_digest(given.encode(), self._key):
            return _refusal(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.")
        return None

    async def generate(self, request: Request) -> Response:
        refused = self._refused(request)
        if refused is not None:
            return refused
        try:
            briefing = read(await request.body())
        except BadRequestError as bad:
            return _refusal(400, "INVALID_ARGUMENT", str(bad))
        if self.hooks:
            instead = await self.hooks.answer_instead(briefing)
            if instead is not None:
                return instead

        document = answer(briefing)
        text = document if isinstance(document, str) else json.dumps(document)
        asked, written = len(briefing.prompt) // CHARACTERS_PER_TOKEN, len(text) // CHARACTERS_PER_TOKEN
        return JSONResponse(
            {
                "candidates": [
                    {"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": "STOP"}
                ],
                "usageMetadata": {
                    "promptTokenCount": asked,
                    "candidatesTokenCount": written,
                    "totalTokenCount": asked + written,
                },
                "modelVersion": MODEL_VERSION,
            }
        )
