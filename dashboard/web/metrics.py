"""`/metrics` for Prometheus: with the token where one is set, else from this machine only."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from dashboard import metrics
from dashboard.loopback import is_loopback
from dashboard.settings import MetricsSettings

PATH = "/metrics"

# Whoever sets one of these passes on the request of somebody else.
_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


class Metrics:
    """The route. Numbers of the whole installation are nobody's business by accident."""

    def __init__(self, settings: MetricsSettings) -> None:
        self._token = settings.metrics_token.get_secret_value() if settings.metrics_token else None

    def route(self) -> Route:
        return Route(PATH, self.answer)

    async def answer(self, request: Request) -> Response:
        """200 with the numbers, or 403."""
        if not self._may_read(request):
            sentence = "Refused: INCIDENTSCRIBE_METRICS_TOKEN, or a request from this machine itself.\n"
            return PlainTextResponse(sentence, 403, {"Cache-Control": "no-store"})
        return Response(
            metrics.exposition(), headers={"Content-Type": metrics.CONTENT_TYPE, "Cache-Control": "no-store"}
        )

    def _may_read(self, request: Request) -> bool:
        if self._token is not None:
            given = request.headers.get("authorization", "")
            return metrics.is_bearer(given, self._token)
        host = request.url.hostname or ""
        return (
            request.client is not None
            and is_loopback(request.client.host)
            and is_loopback(host)
            and not any(name in request.headers for name in _FORWARDED)
        )
