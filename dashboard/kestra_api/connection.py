"""The connection to one Kestra: requests that end, streams that may stay open, errors of our tree."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import httpx
from httpx_sse import EventSource

from dashboard import metrics
from dashboard.errors import UpstreamUnreachable
from dashboard.kestra_api import paths
from dashboard.kestra_api.answers import whole
from dashboard.kestra_api.refusals import raise_for_refusal, says_not_now, translated
from dashboard.loopback import DIRECT
from dashboard.settings import KestraSettings

_TIMEOUT = httpx.Timeout(10.0, connect=3.0)
# An answer is whole after this or never: httpx alone would wait for one byte every ten seconds.
_ANSWER_SECONDS = 30.0
_MOST_BYTES = 64 * 1024 * 1024
# Kestra sends nothing on a stream while an execution is paused. After this silence the follower
# looks for itself, so a connection that died unnoticed is never trusted for longer.
STREAM_SILENCE_SECONDS = 10.0
_STREAM_TIMEOUT = httpx.Timeout(10.0, connect=3.0, read=STREAM_SILENCE_SECONDS)


class _Bearer(httpx.Auth):
    """An API token in the place of user and password."""

    def __init__(self, token: str) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request


def _auth(settings: KestraSettings) -> httpx.Auth:
    if settings.kestra_api_token is not None:
        return _Bearer(settings.kestra_api_token.get_secret_value())
    return httpx.BasicAuth(settings.kestra_username, settings.kestra_password.get_secret_value())


class Connection:
    """Safe to share between threads. `on_absence` is called when Kestra could not be reached."""

    def __init__(
        self,
        settings: KestraSettings,
        transport: httpx.BaseTransport | None,
        on_absence: Callable[[], object],
    ) -> None:
        auth = _auth(settings)
        self._tenant = settings.kestra_tenant
        self._on_absence = on_absence
        self._http = httpx.Client(
            base_url=settings.kestra_url, auth=auth, timeout=_TIMEOUT, transport=transport, mounts=DIRECT
        )
        # A connection for each: streams last for hours and must keep no request waiting; and what may not be
        # sent twice never meets one that Kestra, or a proxy before it, closes in that moment as idle.
        self._fresh = httpx.Client(
            base_url=settings.kestra_url,
            auth=auth,
            timeout=_STREAM_TIMEOUT,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
            transport=transport,
            mounts=DIRECT,
        )

    def close(self) -> None:
        self._http.close()
        self._fresh.close()

    def send(self, method: str, path: str, **request: Any) -> httpx.Response:
        """The answer, whatever its status. Raises UpstreamUnreachable, UpstreamProtocolError.

        A GET whose connection broke is asked once more, over a new one; nothing else is ever sent twice.
        """
        with self._noticing(), self._counting_absence(), translated():
            if method == "GET":
                with suppress(httpx.NetworkError, httpx.RemoteProtocolError):
                    return self._answer(self._http, method, path, **request)
            return self._answer(self._fresh, method, path, **{"timeout": _TIMEOUT, **request})

    def _answer(self, client: httpx.Client, method: str, path: str, **request: Any) -> httpx.Response:
        with client.stream(method, paths.of_tenant(path, self._tenant), **request) as response:
            answer = whole(response, _ANSWER_SECONDS, _MOST_BYTES)
        refused = "unreachable" if says_not_now(answer.status_code) else "refused"
        metrics.count_request("kestra", "ok" if answer.is_success else refused)
        return answer

    def request(self, method: str, path: str, subject: str, **request: Any) -> httpx.Response:
        """An answer inside 2xx; for another the error it means. `subject` names what is asked for."""
        response = self.send(method, path, **request)
        raise_for_refusal(response, subject)
        return response

    def stream(self, path: str, params: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        """The (kind, data) of each event until the stream is closed.

        Raises UpstreamUnreachable also after STREAM_SILENCE_SECONDS without an event.
        """
        # Kestra's frames have no `event:`; their kind stands in `id:`.
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        address = paths.of_tenant(path, self._tenant)
        with (
            self._noticing(),
            translated(),
            self._fresh.stream("GET", address, params=params, headers=headers) as response,
        ):
            if not response.is_success:
                raise_for_refusal(whole(response, _ANSWER_SECONDS, _MOST_BYTES), "to be followed")
            for event in EventSource(response).iter_sse():
                yield event.id, event.data

    @contextmanager
    def _noticing(self) -> Iterator[None]:
        try:
            yield
        except UpstreamUnreachable:
            self._on_absence()
            raise

    @contextmanager
    def _counting_absence(self) -> Iterator[None]:
        """Not for streams: they are silent while an execution waits."""
        try:
            yield
        except UpstreamUnreachable:
            metrics.count_request("kestra", "unreachable")
            raise
