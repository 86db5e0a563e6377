"""Kestra's HTTP API as far as the desk needs it; answers are domain types, refusals our errors."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self

import httpx
from httpx_sse import EventSource
from pydantic import RootModel

from dashboard.domain.execution import Execution, FlowIdentity, LogLine
from dashboard.errors import NotFound, UpstreamProtocolError
from dashboard.kestra_api import paths
from dashboard.kestra_api.models import (
    ExecutionAnswer,
    ExecutionPage,
    FlowAnswer,
    Instance,
    KvValue,
    LogAnswer,
    SearchAnswer,
    Started,
    Validated,
    read,
    read_text,
)
from dashboard.kestra_api.refusals import SERVICE, raise_for_refusal, translated
from dashboard.loopback import DIRECT
from dashboard.settings import KestraSettings

_TIMEOUT = httpx.Timeout(10.0, connect=3.0)
# Kestra sends nothing on a stream while an execution is paused. After this silence the follower
# looks for itself, so a connection that died unnoticed is never trusted for longer.
STREAM_SILENCE_SECONDS = 10.0
_STREAM_TIMEOUT = httpx.Timeout(10.0, connect=3.0, read=STREAM_SILENCE_SECONDS)


class _Validations(RootModel[list[Validated]]):
    pass


class _Logs(RootModel[list[LogAnswer]]):
    pass


class _Outputs(RootModel[dict[str, Any]]):
    pass


class Frame(NamedTuple):
    """One event of a stream: `start` (no execution), `progress`, `end`."""

    kind: str
    execution: Execution | None


class KestraApi:
    """A client for one Kestra. Safe to share between threads; close it at the end."""

    def __init__(self, settings: KestraSettings, transport: httpx.BaseTransport | None = None) -> None:
        auth = (settings.kestra_username, settings.kestra_password.get_secret_value())
        self._http = httpx.Client(
            base_url=settings.kestra_url, auth=auth, timeout=_TIMEOUT, transport=transport, mounts=DIRECT
        )
        # Streams last for hours: in a pool of their own they never keep a request waiting.
        self._streams = httpx.Client(
            base_url=settings.kestra_url,
            auth=auth,
            timeout=_STREAM_TIMEOUT,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
            transport=transport,
            mounts=DIRECT,
        )
        self._line: paths.Line | None = None

    def close(self) -> None:
        self._http.close()
        self._streams.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Which Kestra

    def get_instance(self) -> Instance:
        """Version and uuid of the Kestra that answers now; remembers its line."""
        instance = read(Instance, self._request("GET", paths.CONFIGS, "its configuration"))
        self._line = paths.line_of(instance.version)
        return instance

    def _current_line(self) -> paths.Line:
        if self._line is None:
            self.get_instance()
        if self._line is None:
            raise UpstreamProtocolError(SERVICE, "Kestra did not say its version.")
        return self._line

    # Executions

    def start_by_webhook(self, namespace: str, flow_id: str, key: str, payload: Mapping[str, Any]) -> str:
        """Start the flow; the answer is the id of the new execution.

        Not repeatable: an UpstreamUnreachable with `may_have_arrived` leaves open whether it started.
        A webhook needs its key only, so no password travels with it.
        """
        response = self._request(
            "POST", paths.webhook(namespace, flow_id, key), "the webhook", json=payload, auth=None
        )
        # 204: a condition of the trigger was not met, nothing was started.
        if response.status_code == 204:
            raise NotFound(
                "Kestra took the webhook call but started nothing: a condition of its trigger failed."
            )
        return read(Started, response).id

    def get_execution(self, execution_id: str) -> Execution:
        """The execution as it is now. Raises NotFound."""
        response = self._request("GET", paths.execution(execution_id), f"the execution {execution_id}")
        return read(ExecutionAnswer, response).to_domain()

    def search_executions(
        self,
        *,
        namespace: str | None = None,
        flow_id: str | None = None,
        states: Sequence[str] = (),
        labels: Mapping[str, str] | None = None,
        page: int = 1,
        size: int = 50,
    ) -> ExecutionPage:
        """Executions, newest first; pages count from 1."""
        # Only the `filters` syntax works on both lines: 2.0 ignores the older one silently.
        params: dict[str, str] = {"page": str(page), "size": str(size), "sort": "state.startDate:desc"}
        if namespace is not None:
            params["filters[namespace][EQUALS]"] = namespace
        if flow_id is not None:
            params["filters[flowId][EQUALS]"] = flow_id
        if states:
            params["filters[state][IN]"] = ",".join(states)
        for key, value in (labels or {}).items():
            params[f"filters[labels][EQUALS][{key}]"] = value
        answer = read(SearchAnswer, self._request("GET", paths.SEARCH, "the search", params=params))
        found = tuple(result.to_domain() for result in answer.results)
        return ExecutionPage(executions=found, total=answer.total)

    def resume(self, execution_id: str, inputs: Mapping[str, str] | None = None) -> None:
        """Let a paused execution go on. Raises NotPaused, NotFound, InvalidInput."""
        # Kestra takes multipart only; without inputs it takes no body at all.
        files = {name: (None, value) for name, value in (inputs or {}).items()}
        self._act("POST", execution_id, "resume", files=files or None)

    def kill(self, execution_id: str) -> None:
        """Ask for an end. Killing what has ended does nothing and is no error."""
        self._act("DELETE", execution_id, "kill")

    def restart(self, execution_id: str) -> None:
        """Run again from the failed task, under the same id."""
        self._act("POST", execution_id, "restart")

    def _act(self, method: str, execution_id: str, name: str, **request: Any) -> None:
        line = self._current_line()
        response = self._send(method, line.action(execution_id, name), **request)
        if response.status_code in (404, 405):
            # Unknown execution, or another Kestra behind this address since we looked. A 404 did nothing.
            self.get_instance()
            if self._current_line() is not line:
                response = self._send(method, self._current_line().action(execution_id, name), **request)
        raise_for_refusal(response, f"to {name} the execution {execution_id}")

    def get_task_outputs(self, execution: Execution, task_id: str) -> dict[str, Any]:
        """The outputs of the latest run of a task. Raises NotFound when the task has none."""
        run = execution.task_run(task_id)
        if run is None:
            raise NotFound(f"The task {task_id} has not run in execution {execution.id}.")
        addresses = self._current_line().task_outputs(execution.id, run.id)
        if not addresses:
            return run.outputs
        for address in addresses[:-1]:
            response = self._send("GET", address)
            if response.status_code != 404:
                raise_for_refusal(response, f"the outputs of {task_id}")
                return read(_Outputs, response).root
        response = self._request("GET", addresses[-1], f"the outputs of {task_id}")
        return read(_Outputs, response).root

    def list_logs(
        self, execution_id: str, *, min_level: str = "INFO", task_id: str | None = None
    ) -> tuple[LogLine, ...]:
        """All log lines of an execution from a level up, oldest first; an unknown id has none."""
        line = self._current_line()
        params = {line.log_level_parameter: min_level}
        if task_id is not None:
            params[line.log_task_parameter] = task_id
        response = self._request("GET", paths.logs(execution_id), "the logs", params=params)
        return tuple(entry.to_domain() for entry in read(_Logs, response).root)

    # Streams

    def follow(self, execution_id: str) -> Iterator[Frame]:
        """The frames of an execution until Kestra closes the stream.

        Raises UpstreamUnreachable also after STREAM_SILENCE_SECONDS without a frame, which is
        ordinary during a pause. An unknown id is a stream that closes without an `end`.
        """
        for kind, data in self._stream(paths.follow(execution_id), {}):
            has_state = kind != "start"
            yield Frame(kind, read_text(ExecutionAnswer, data).to_domain() if has_state else None)

    def follow_logs(self, execution_id: str, *, min_level: str = "INFO") -> Iterator[LogLine | None]:
        """None when the stream is open, then all lines so far and each new one as it is written.

        It never ends by itself, and raises as `follow` does.
        """
        parameters = {self._current_line().log_level_parameter: min_level}
        for kind, data in self._stream(paths.follow_logs(execution_id), parameters):
            yield None if kind == "start" else read_text(LogAnswer, data).to_domain()

    def _stream(self, path: str, params: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        # Kestra's frames have no `event:`; their kind stands in `id:`.
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        with translated(), self._streams.stream("GET", path, params=params, headers=headers) as response:
            if not response.is_success:
                response.read()
                raise_for_refusal(response, "to be followed")
            for event in EventSource(response).iter_sse():
                yield event.id, event.data

    # Flows

    def validate_flow(self, source: str) -> list[str]:
        """What is wrong with a flow's YAML, in Kestra's words; empty when it is valid."""
        response = self._request("POST", paths.VALIDATE, "the flow's validation", **_yaml(source))
        return [found.constraints for found in read(_Validations, response).root if found.constraints]

    def find_flow(self, namespace: str, flow_id: str) -> FlowIdentity | None:
        """The flow with its source, or None."""
        response = self._send("GET", paths.flow(namespace, flow_id), params={"source": "true"})
        if response.status_code == 404:
            return None
        raise_for_refusal(response, f"the flow {namespace}.{flow_id}")
        return read(FlowAnswer, response).to_domain()

    def create_flow(self, source: str) -> FlowIdentity:
        """Save a new flow. Raises InvalidInput when it exists or is refused."""
        return read(FlowAnswer, self._request("POST", paths.FLOWS, "the flow", **_yaml(source))).to_domain()

    def update_flow(self, namespace: str, flow_id: str, source: str) -> FlowIdentity:
        """Replace a flow; unchanged source keeps the revision."""
        response = self._request("PUT", paths.flow(namespace, flow_id), "the flow", **_yaml(source))
        return read(FlowAnswer, response).to_domain()

    # Key-value store

    def put_kv(self, namespace: str, key: str, value: str) -> None:
        """Store a text. Sent as JSON text, because Kestra cuts bare text at its first blank or colon."""
        self._request(
            "PUT",
            paths.kv(namespace, key),
            f"the value {key}",
            content=json.dumps(value),
            headers={"Content-Type": "text/plain"},
        )

    def find_kv(self, namespace: str, key: str) -> KvValue | None:
        """A stored value with its type, or None."""
        response = self._send("GET", paths.kv(namespace, key))
        if response.status_code == 404:
            return None
        raise_for_refusal(response, f"the value {key}")
        return read(KvValue, response)

    def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        with translated():
            return self._http.request(method, path, **request)

    def _request(self, method: str, path: str, subject: str, **request: Any) -> httpx.Response:
        response = self._send(method, path, **request)
        raise_for_refusal(response, subject)
        return response


def _yaml(source: str) -> dict[str, Any]:
    return {"content": source.encode(), "headers": {"Content-Type": "application/x-yaml"}}
