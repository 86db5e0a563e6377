"""What the instance says about itself."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from sandbox.kestra.answers import json_response
from sandbox.kestra.engine import Engine


async def ping(request: Request) -> Response:
    """`GET /ping`."""
    return PlainTextResponse("pong")


async def configs(request: Request) -> Response:
    """`GET /api/v1/configs`: version and the uuid of this data folder; open, it holds nothing secret."""
    return json_response(await run_in_threadpool(_configs, request.app.state.engine))


def _configs(engine: Engine) -> dict[str, object]:
    return {
        "uuid": engine.uuid,
        "version": engine.version,
        "edition": "OSS",
        "chartDefaultDuration": "PT24H",
        "isCustomDashboardsEnabled": False,
        "isAnonymousUsageEnabled": False,
        "isUiAnonymousUsageEnabled": False,
        "url": engine.url,
        "systemNamespace": "system",
        "hiddenLabelsPrefixes": ["system.", "internal."],
        "isAiEnabled": False,
        "isAiApiKeyConfigured": False,
        "isBasicAuthInitialized": True,
        "isConcurrencyViewEnabled": False,
    }
