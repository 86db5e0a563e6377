"""Orders to the engine's executor: sent as messages, then awaited."""

from collections.abc import Callable
from typing import Any

from sandbox.kestra import bridge
from sandbox.kestra.answers import Refusal, shown_execution
from sandbox.kestra.engine import TENANT, Engine

_SECONDS = 10


def existing(engine: Engine, execution_id: str) -> Any:
    """The execution; Kestra's own 404 if there is none."""
    return engine.bean("io.kestra.core.services.ExecutionService").getExecution(TENANT, execution_id, True)


def command(engine: Engine, execution_id: str, action: str, order: Any) -> dict[str, Any]:
    """Sends an ExecutionCommand; the execution after it. Raises as `submit` does."""
    queue = engine.generic_bean(
        "io.kestra.core.queues.DispatchQueueInterface", "io.kestra.core.executor.command.ExecutionCommand"
    )
    return submit(
        engine, execution_id, action, lambda operation: queue.emit(order.withOperationId(operation))
    )


def submit(engine: Engine, execution_id: str, action: str, emit: Callable[[Any], object]) -> dict[str, Any]:
    """Sends an order, waits until it was carried out (else Refusal 409); the execution after it."""
    waiter = engine.bean("io.kestra.core.services.AsyncOperationWaiter")
    event = waiter.submitAndWait(execution_id, bridge.consumer(emit), bridge.seconds(_SECONDS))
    if str(event.outcome()) != "SUCCEEDED":
        raise Refusal(
            409,
            f"Conflict: Failed to execute action '{action}' on execution '{execution_id}': {event.error()}",
        )
    return shown_execution(existing(engine, execution_id))
