"""Kestra's JSON as it comes, and what the domain makes of it. Unknown fields and states are fine."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from dashboard.domain.execution import Execution, FlowIdentity, LogLine, StateChange, TaskRun
from dashboard.domain.shape import Instant, Json, Shape

_EmptyForNull = BeforeValidator(lambda value: value or ())


class Change(Shape):
    state: str
    date: Instant


class State(Shape):
    current: str
    histories: Annotated[tuple[Change, ...], _EmptyForNull] = ()

    def history(self) -> tuple[StateChange, ...]:
        return tuple(StateChange(state=change.state, at=change.date) for change in self.histories)


class TaskRunAnswer(Shape):
    id: str
    task_id: str = Field(alias="taskId")
    parent_task_run_id: str | None = Field(default=None, alias="parentTaskRunId")
    value: Any = None
    attempts: Annotated[tuple[Any, ...], _EmptyForNull] = ()
    outputs: Json = Field(default_factory=dict)
    state: State

    def to_domain(self) -> TaskRun:
        return TaskRun(
            id=self.id,
            task_id=self.task_id,
            parent_id=self.parent_task_run_id,
            value=None if self.value is None else str(self.value),
            state=self.state.current,
            history=self.state.history(),
            attempts=len(self.attempts),
            outputs=self.outputs,
        )


class Label(Shape):
    key: str
    value: str | None = None


class ExecutionAnswer(Shape):
    id: str
    namespace: str
    flow_id: str = Field(alias="flowId")
    flow_revision: int | None = Field(default=None, alias="flowRevision")
    task_run_list: Annotated[tuple[TaskRunAnswer, ...], _EmptyForNull] = Field(
        default=(), alias="taskRunList"
    )
    inputs: Json = Field(default_factory=dict)
    outputs: Json = Field(default_factory=dict)
    labels: Annotated[tuple[Label, ...], _EmptyForNull] = ()
    state: State
    original_id: str | None = Field(default=None, alias="originalId")
    parent_id: str | None = Field(default=None, alias="parentId")

    def to_domain(self) -> Execution:
        return Execution(
            id=self.id,
            namespace=self.namespace,
            flow_id=self.flow_id,
            flow_revision=self.flow_revision,
            state=self.state.current,
            history=self.state.history(),
            task_runs=tuple(run.to_domain() for run in self.task_run_list),
            inputs=self.inputs,
            outputs=self.outputs,
            labels={label.key: label.value or "" for label in self.labels},
            original_id=self.original_id,
            parent_id=self.parent_id,
        )


class SearchAnswer(Shape):
    results: Annotated[tuple[ExecutionAnswer, ...], _EmptyForNull] = ()
    total: int = 0


class ExecutionPage(Shape):
    """One page of a search; on 2.0 its executions carry no task runs."""

    executions: tuple[Execution, ...]
    total: int


class LogAnswer(Shape):
    timestamp: Instant
    level: str = "INFO"
    message: str | None = None
    task_id: str | None = Field(default=None, alias="taskId")
    task_run_id: str | None = Field(default=None, alias="taskRunId")
    attempt_number: int | None = Field(default=None, alias="attemptNumber")

    def to_domain(self) -> LogLine:
        return LogLine(
            at=self.timestamp,
            level=self.level,
            message=self.message or "",
            task_id=self.task_id,
            task_run_id=self.task_run_id,
            attempt=self.attempt_number,
        )


class Instance(Shape):
    """The answer of `/configs`: which Kestra this is."""

    uuid: str | None = None
    version: str
    edition: str | None = None


class Started(Shape):
    """The answer of a webhook: the execution that was created."""

    id: str


class Validated(Shape):
    """One flow of a validation; `constraints` is absent when it is valid."""

    constraints: str | None = None


class KvEntry(Shape):
    """A key of the store, without its value."""

    namespace: str
    key: str


class KvPage(Shape):
    results: tuple[KvEntry, ...] = ()
    total: int = 0


class KvValue(Shape):
    type: str
    value: Any = None


class FlowAnswer(Shape):
    id: str
    namespace: str
    revision: int
    source: str | None = None
    disabled: bool = False

    def to_domain(self) -> FlowIdentity:
        return FlowIdentity(
            id=self.id,
            namespace=self.namespace,
            revision=self.revision,
            source=self.source or "",
            disabled=self.disabled,
        )
