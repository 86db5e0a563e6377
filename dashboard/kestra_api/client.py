"""Kestra's HTTP API as far as the desk needs it; answers are domain types, refusals our errors."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self

import httpx
from pydantic import RootModel

from dashboard.domain.execution import Execution, FlowIdentity, LogLine
from dashboard.errors import NotFound
from dashboard.kestra_api import paths
from dashboard.kestra_api.answers import read, read_text
from dashboard.kestra_api.connection import Connection
from dashboard.kestra_api.models import (
    ExecutionAnswer,
    ExecutionPage,
    FlowAnswer,
    Instance,
    KvPage,
    KvValue,
    LogAnswer,
    SearchAnswer,
    Started,
    Validated,
)
from dashboard.kestra_api.refusals import raise_for_refusal
from dashboard.settings import KestraSettings

# Kestra is asked for its version again after this, and whenever it could not be reached.
_LINE_SECONDS = 300.0
_KV_PAGE = 100
# 404 of a Kestra, 501 of what stands in for one.
_NO_SUCH_ADDRESS = (404, 501)
# Connections to former addresses: whatever was under way there has ended by the second move after it.
_MOST_FORMER = 2


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
        self._settings = settings
        self._transport = transport
        self._connection = Connection(settings, transport, self._forget_line)
        self._former: list[Connection] = []
        self._line: paths.Line | None = None
        self._line_until = 0.0

    def close(self) -> None:
        for connection in (*self._former, self._connection):
            connection.close()

    @property
    def url(self) -> str:
        """The address that is asked now."""
        return self._settings.kestra_url

    def move_to(self, url: str) -> None:
        """Ask at another address from now on; what is under way at the former may end there."""
        if url == self.url:
            return
        self._settings = self._settings.model_copy(update={"kestra_url": url})
        while len(self._former) >= _MOST_FORMER:
            self._former.pop(0).close()
        self._former.append(self._connection)
        self._connection = Connection(self._settings, self._transport, self._forget_line)
        self._forget_line()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Which Kestra

    def get_instance(self) -> Instance:
        """Version and uuid of the Kestra that answers now; remembers its line."""
        instance = read(Instance, self._connection.request("GET", paths.CONFIGS, "its configuration"))
        self._remember(paths.line_of(instance.version))
        return instance

    def _remember(self, line: paths.Line) -> paths.Line:
        self._line, self._line_until = line, time.monotonic() + _LINE_SECONDS
        return line

    def _forget_line(self) -> None:
        """A Kestra that was away may be another version when it is back."""
        self._line = None

    def _current_line(self) -> paths.Line:
        line = self._line
        if line is not None and time.monotonic() < self._line_until:
            return line
        return paths.line_of(self.get_instance().version)

    # Executions

    def start_by_webhook(self, namespace: str, flow_id: str, key: str, payload: Mapping[str, Any]) -> str:
        """Start the flow; the answer is the id of the new execution.

        Not repeatable: an UpstreamUnreachable with `may_have_arrived` leaves open whether it started.
        A webhook needs its key only, so no password travels with it.
        """
        response = self._connection.request(
            "POST", paths.webhook(namespace, flow_id, key), "the webhook", json=payload, auth=None
        )
        # 204: a condition of the trigger was not met, nothing was started.
        if response.status_code == 204:
            raise NotFound(
                "Kestra took the webhook call but started nothing: a condition of its trigger failed."
            )
        return read(Started, response).id

    def create_execution(self, namespace: str, flow_id: str) -> str:
        """Start a flow without inputs, as by hand; the answer is the id. Not repeatable, as the webhook."""
        response = self._connection.request(
            "POST", paths.executions(namespace, flow_id), f"an execution of {flow_id}"
        )
        return read(Started, response).id

    def get_execution(self, execution_id: str) -> Execution:
        """The execution as it is now. Raises NotFound."""
        response = self._connection.request(
            "GET", paths.execution(execution_id), f"the execution {execution_id}"
        )
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
        answer = read(
            SearchAnswer, self._connection.request("GET", paths.SEARCH, "the search", params=params)
        )
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
        response = self._connection.send(method, line.action(execution_id, name), **request)
        if response.status_code in (404, 405):
            # Unknown execution, or another Kestra behind this address since we looked. A 404 did nothing.
            newer = paths.line_of(self.get_instance().version)
            if newer is not line:
                response = self._connection.send(method, newer.action(execution_id, name), **request)
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
            response = self._connection.send("GET", address)
            if response.status_code not in _NO_SUCH_ADDRESS:
                raise_for_refusal(response, f"the outputs of {task_id}")
                return read(_Outputs, response).root
        response = self._connection.request("GET", addresses[-1], f"the outputs of {task_id}")
        return read(_Outputs, response).root

    def list_logs(
        self, execution_id: str, *, min_level: str = "INFO", task_id: str | None = None
    ) -> tuple[LogLine, ...]:
        """All log lines of an execution from a level up, oldest first; an unknown id has none."""
        line = self._current_line()
        params = {line.log_level_parameter: min_level}
        if task_id is not None:
            params[line.log_task_parameter] = task_id
        response = self._connection.request("GET", paths.logs(execution_id), "the logs", params=params)
        return tuple(entry.to_domain() for entry in read(_Logs, response).root)

    # Streams

    def follow(self, execution_id: str) -> Iterator[Frame]:
        """The frames of an execution until Kestra closes the stream.

        Raises UpstreamUnreachable also after STREAM_SILENCE_SECONDS without a frame, which is
        ordinary during a pause. An unknown id is a stream that closes without an `end`.
        """
        for kind, data in self._connection.stream(paths.follow(execution_id), {}):
            has_state = kind != "start"
            yield Frame(kind, read_text(ExecutionAnswer, data).to_domain() if has_state else None)

    def follow_logs(self, execution_id: str, *, min_level: str = "INFO") -> Iterator[LogLine | None]:
        """None when the stream is open, then all lines so far and each new one as it is written.

        It never ends by itself, and raises as `follow` does.
        """
        parameters = {self._current_line().log_level_parameter: min_level}
        for kind, data in self._connection.stream(paths.follow_logs(execution_id), parameters):
            yield None if kind == "start" else read_text(LogAnswer, data).to_domain()

    # Flows

    def validate_flow(self, source: str) -> list[str]:
        """What is wrong with a flow's YAML, in Kestra's words; empty when it is valid."""
        response = self._connection.request("POST", paths.VALIDATE, "the flow's validation", **_yaml(source))
        return [found.constraints for found in read(_Validations, response).root if found.constraints]

    def find_flow(self, namespace: str, flow_id: str) -> FlowIdentity | None:
        """The flow with its source, or None."""
        response = self._connection.send("GET", paths.flow(namespace, flow_id), params={"source": "true"})
        if response.status_code == 404:
            return None
        raise_for_refusal(response, f"the flow {namespace}.{flow_id}")
        return read(FlowAnswer, response).to_domain()

    def create_flow(self, source: str) -> FlowIdentity:
        """Save a new flow. Raises InvalidInput when it exists or is refused."""
        return read(
            FlowAnswer, self._connection.request("POST", paths.FLOWS, "the flow", **_yaml(source))
        ).to_domain()

    def update_flow(self, namespace: str, flow_id: str, source: str) -> FlowIdentity:
        """Replace a flow; unchanged source keeps the revision."""
        response = self._connection.request(
            "PUT", paths.flow(namespace, flow_id), "the flow", **_yaml(source)
        )
        return read(FlowAnswer, response).to_domain()

    # Key-value store

    def put_kv(self, namespace: str, key: str, value: str) -> None:
        """Store a text. Sent as JSON text, because Kestra cuts bare text at its first blank or colon."""
        response = self._connection.send(
            "PUT",
            paths.kv(namespace, key),
            content=json.dumps(value),
            headers={"Content-Type": "text/plain"},
        )
        # Only its status: what Kestra says of a value it refuses may repeat the value.
        raise_for_refusal(httpx.Response(response.status_code), f"the value {key}")

    def list_kv_keys(self, namespace: str) -> frozenset[str]:
        """The keys stored in a namespace, without their values."""
        keys: set[str] = set()
        page, seen = 1, 0
        while True:
            answer = self._connection.request(
                "GET", paths.KV, "the keys", params={"page": page, "size": _KV_PAGE}
            )
            found = read(KvPage, answer)
            keys |= {entry.key for entry in found.results if entry.namespace == namespace}
            page, seen = page + 1, seen + len(found.results)
            if not found.results or seen >= found.total:
                return frozenset(keys)

    def find_kv(self, namespace: str, key: str) -> KvValue | None:
        """A stored value with its type, or None."""
        response = self._connection.send("GET", paths.kv(namespace, key))
        if response.status_code == 404:
            return None
        raise_for_refusal(response, f"the value {key}")
        return read(KvValue, response)


def _yaml(source: str) -> dict[str, Any]:
    return {"content": source.encode(), "headers": {"Content-Type": "application/x-yaml"}}
